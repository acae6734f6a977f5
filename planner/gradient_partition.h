// Where the gradient reductions of the backward go (section 5 of the FSMoE paper).
#pragma once

#include <vector>

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

// Room for gradient traffic in the order of the backward: for each layer its MoE slot, then its dense
// slot; time that the link would idle there anyway.
struct GradientWindow {
  GradientSlot slot;
  Seconds room;
};
[[nodiscard]] std::vector<GradientWindow> gradient_windows(const StepShape& step, const CostModel& costs,
                                                           Policy policy, const std::vector<LayerDegrees>& degrees);

// Step 1 of the paper (eq. 3-4): every window takes as much of the gradients that exist by then as its
// room holds, oldest first; what fits nowhere goes to the tail. Covers every buffer once, in order.
[[nodiscard]] std::vector<GradientSlice> partition_greedily(const StepShape& step, const CostModel& costs,
                                                            const std::vector<GradientWindow>& windows);

}  // namespace sextant
