// Step 1 of FSMoE's gradient partition: slices that fill the link's idle windows (section 5 of the paper).
#pragma once

#include <vector>

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/gradient_partition_problem.h"
#include "planner/schedule.h"

namespace sextant {

// The options of least block time, ties to the smaller degree: Algorithm 1 at G = 0.
[[nodiscard]] std::vector<int> fastest_options(const PartitionProblem& problem);

// How slots are filled where several groups wait.
struct FillRule {
  enum class Order {
    kGroups,      // of kReducingGroups
    kLongest,     // the group with the most work waiting first
    kMostHidden,  // the group that can hide the most work in the slot first
  };
  Order order = Order::kGroups;
  bool skip_short = false;  // leave slices of which less than half is transfer for a later slot
};

// Every slot takes as much of the gradients that exist by then as its window holds without lengthening
// the backward, oldest first; what fits nowhere is reduced at the very end.
[[nodiscard]] Partition fill_windows(const PartitionProblem& problem, std::vector<int> options, FillRule rule = {});

// With the slices given, the best degree of each block: its own time counts in every micro-batch, the
// slices lengthen the last one.
void improve_degrees(const PartitionProblem& problem, Partition& partition);

// Step 1 of the paper (eq. 3-4): the windows at the degrees of Algorithm 1. The paper lets a remainder
// wait for later windows in no stated order (its code pops the newest first); a gradient buffer here is
// reduced in order, which places the same volumes.
[[nodiscard]] inline Partition partition_greedily(const PartitionProblem& problem) {
  return fill_windows(problem, fastest_options(problem));
}

// Room for gradient traffic in the order of the backward: for each layer its MoE slot, then its dense
// slot; time for which the queues of every reducing group would idle there anyway.
struct GradientWindow {
  GradientSlot slot;
  Seconds room;
};
[[nodiscard]] std::vector<GradientWindow> gradient_windows(const StepShape& step, const CostModel& costs, Policy policy,
                                                           const std::vector<LayerDegrees>& degrees);
// Step 1 for given windows. REQUIRES: two windows a layer, in the order of gradient_windows.
[[nodiscard]] std::vector<GradientSlice> partition_greedily(const StepShape& step, const CostModel& costs,
                                                            const std::vector<GradientWindow>& windows);

}  // namespace sextant
