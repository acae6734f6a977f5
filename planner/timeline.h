// When each task of a graph ran, simulated or measured, and what follows from it.
#pragma once

#include <array>
#include <vector>

#include "planner/task_graph.h"

namespace sextant {

struct TaskSpan {
  Seconds start;
  Seconds end;
};

struct Timeline {
  std::vector<TaskSpan> spans;  // [task]; seconds since the start of the step
  [[nodiscard]] Seconds makespan() const;
};

struct TimelineSummary {
  Seconds step_time;
  std::array<Seconds, kNumResources> busy;  // union of the spans that use the resource
  Seconds exposed_communication;            // a link is busy and compute is not
  Seconds idle;                             // nothing runs
};
[[nodiscard]] TimelineSummary summarize(const TaskGraph& graph, const Timeline& timeline);

}  // namespace sextant
