// A network small enough to profile inside a unit test.
#pragma once

#include "models/network.h"

namespace sextant {

inline Network tiny_network() {
  Network network;
  network.name = "tiny";
  network.vocabulary = 256;
  network.layers = 2;
  network.model_dim = 16;
  network.heads = 4;
  network.kv_heads = 4;
  network.head_dim = 4;
  network.expert_hidden_dim = 16;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 1.5;
  network.aux_loss_coefficient = 0.01;
  return network;
}

}  // namespace sextant
