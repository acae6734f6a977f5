// Time of one layer inside a stack of equal layers, forward and backward, from the simulator.
#pragma once

#include "models/cost_model.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant::fsmoe_paper {

// What a system decides for a layer in steady state: while its backward runs, the gradients of the layer
// above exist; `in_block` elements of them are reduced inside the MoE block, the rest beside the attention.
struct LayerPlan {
  Policy policy = Policy::kFsmoe;
  LayerDegrees degrees;
  std::int64_t in_block = 0;  // of the policies that partition
};

// The schedule of a step of two layers in which the lower one, layer 0, follows `plan`.
[[nodiscard]] Schedule two_layer_schedule(const StepShape& two_layers, const LayerPlan& plan, const CostModel& costs);

// Forward of the lower layer, plus its backward with the reduction of one layer's gradients: hidden,
// or exposed before it, as the policy has it. The reduction of its own gradients belongs to the layer
// below. REQUIRES: a step of two layers.
[[nodiscard]] Seconds layer_time(const StepShape& two_layers, const Schedule& schedule, const CostModel& costs);

}  // namespace sextant::fsmoe_paper
