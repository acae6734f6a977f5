// Where the time of a step goes: parts that sum to the step, so that two plans can be compared part by part.
//
// An instant belongs to what compute does then; where compute is idle, to the collectives and copies that run then,
// which nothing hides; where nothing runs, to waiting. Several tasks that share an instant have equal parts of it.
#pragma once

#include <optional>
#include <vector>

#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

struct TimeShare {
  TaskKind kind = TaskKind::kExpert;
  std::optional<GroupKind> group;  // of a collective
  std::vector<Resource> uses;      // compute, or the links that the task occupies
  Seconds time;
};

struct TimeShares {
  std::vector<TimeShare> shares;  // of some time, by kind, group and what is used
  Seconds waiting;
  [[nodiscard]] Seconds total() const;  // the makespan
};

// REQUIRES: the timeline is one of the graph.
[[nodiscard]] TimeShares time_shares(const TaskGraph& graph, const Timeline& timeline);

}  // namespace sextant
