// A network small enough to count its parameters by hand.
#pragma once

#include "models/network.h"

namespace sextant {

inline Network small_network() {
  return {.name = "small",
          .vocabulary = 10,
          .layers = 2,
          .model_dim = 4,
          .heads = 2,
          .kv_heads = 1,
          .head_dim = 2,
          .expert_kind = ExpertKind::kSwiglu,
          .expert_hidden_dim = 6,
          .num_experts = 3,
          .top_k = 2,
          .capacity_factor = 1.25};
}

}  // namespace sextant
