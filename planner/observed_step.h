// What the spans of a measured step say of its work: how long each kind took alone, how long ranks waited for each
// other, and what ran beside what.
#pragma once

#include <array>
#include <span>
#include <vector>

#include "models/layout.h"
#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

struct Spread {
  int count = 0;
  Seconds mean{};
  Seconds error{};  // standard error of the mean: standard deviation / sqrt(count); 0 for a single sample
  Seconds low{};    // 10th percentile
  Seconds median{};
  Seconds high{};  // 90th percentile
};
// All zero for no sample.
[[nodiscard]] Spread spread_of(const std::vector<Seconds>& samples);

// All tasks of one price: the same kernel at the same shape, or collective at the same group shape and buffer.
//
// A task ran alone on a rank when nothing ran beside it on this rank for more than a hundredth of its span. Of a
// collective, the rank that comes last waits for nobody: the shortest span in the group is the transfer, what the
// others took longer is waiting. Means over all ranks add up to the step: with kernels that take 1 s on one rank and
// 2 s on another before a collective of 1 s, the mean kernel is 1.5 s, the mean wait 0.5 s, the step 3 s.
struct ObservedWork {
  Work work{};
  std::vector<TaskId> tasks{};
  Spread alone{};  // of a kernel its span, by task and rank; of a collective the transfer, by task and group
  Spread alone_with_waiting{};  // of a collective its span, by task and rank; of a kernel the same as `alone`
};

struct ObservedStep {
  std::vector<ObservedWork> works;  // in order of first appearance in the graph
  Spread waiting;                   // at collectives that ran alone on all ranks, by task and rank
  Spread hand_over;                 // from the end of a task to the start of one on another queue that waited for it
  // What hand-overs take beyond their median, where a rank has no core to start on: of all ranks, for each collective.
  // A rank with one queue takes this time at the end of a collective, as waiting.
  Seconds late_start{};
  std::vector<Spread> spans;  // [task], over the ranks
  // [task][resource] part of its span during which others used a resource that it does not use; mean over the ranks.
  std::vector<std::array<double, kNumResources>> beside;
};

// `ranks`: a timeline of every rank of `layout`, whose clocks need not agree. REQUIRES: pp == 1, a span for each task.
[[nodiscard]] ObservedStep observe_step(const TaskGraph& graph, const ParallelLayout& layout,
                                        std::span<const Timeline> ranks);

}  // namespace sextant
