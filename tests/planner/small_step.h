// A step small enough to read, with FSMoE's own layout: tp = esp = devices per node, ep = dp = nodes.
#pragma once

#include "models/work.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {

inline Network small_network(int layers) {
  return {.name = "small",
          .vocabulary = 16,
          .layers = layers,
          .model_dim = 8,
          .heads = 4,
          .kv_heads = 4,
          .head_dim = 2,
          .expert_kind = ExpertKind::kGelu,
          .expert_hidden_dim = 16,
          .num_experts = 2,
          .top_k = 1,
          .capacity_factor = 1.0,
          .aux_loss_coefficient = 0.0};
}

// Two nodes of two ranks; 240 capacity rows of each expert, so that every degree up to 6 divides them.
inline StepShape small_step(int layers, const ParallelDegrees& degrees = {.dp = 2, .tp = 2, .ep = 2, .esp = 2}) {
  StepShape step{small_network(layers), ParallelLayout(degrees, {.nodes = 2, .devices_per_node = 2}), 1, 1, 0, 4};
  step.sequence = 480 * degrees.tp;
  return step;
}

}  // namespace sextant
