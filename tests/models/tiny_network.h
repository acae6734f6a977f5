// Networks small enough to count by hand: M 8, 2 heads of 4, V 10.
#pragma once

#include <numeric>

#include "models/network.h"

namespace sextant {

// `layers` dense layers of 32.
inline Network tiny_dense_network(int layers, ExpertKind kind) {
  Network network;
  network.name = "tiny";
  network.vocabulary = 10;
  network.layers = layers;
  network.model_dim = 8;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 4;
  network.expert_kind = kind;
  network.dense.hidden_dim = 32;
  network.dense.layers.resize(static_cast<std::size_t>(layers));
  std::iota(network.dense.layers.begin(), network.dense.layers.end(), 0);
  return network;
}

// The same with 8 experts of 32 in every layer, top-2.
inline Network tiny_moe_network(int layers, ExpertKind kind) {
  Network network = tiny_dense_network(layers, kind);
  network.dense = {};
  network.num_experts = 8;
  network.top_k = 2;
  network.expert_hidden_dim = 32;
  return network;
}

}  // namespace sextant
