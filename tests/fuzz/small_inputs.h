// Small partners for what is fuzzed: a network for a fuzzed cluster, a cluster for a fuzzed plan.
#pragma once

#include "models/cluster.h"
#include "models/network.h"

namespace sextant::fuzz {

inline Network small_network() {
  return {.name = "small",
          .layers = 2,
          .model_dim = 16,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 4,
          .expert_hidden_dim = 24,
          .num_experts = 6,
          .top_k = 2,
          .capacity_factor = 1.25,
          .aux_loss_coefficient = 0.01};
}

// Lines for every collective inside a node, between nodes and over both; kernels by their roofline.
inline Cluster small_measured_cluster() {
  Cluster cluster;
  cluster.name = "small";
  cluster.source = "made up";
  cluster.topology = {.nodes = 2, .devices_per_node = 2};
  cluster.backend = "local";
  cluster.machine = "none";
  cluster.date = "2025-01-18";
  cluster.device = {.peak = FlopsPerSecond(1e11), .memory_bandwidth = BytesPerSecond(1e10), .memory = Bytes(1e9)};
  for (int op = 0; op < kNumCollectives; ++op) {
    for (const GroupShape& group : {GroupShape{1, 2}, GroupShape{2, 1}, GroupShape{2, 2}}) {
      const double slow = group.uses_inter() ? 10.0 : 1.0;
      cluster.collectives.push_back({.op = Collective(op),
                                     .group = group,
                                     .line = AlphaBeta{Seconds(slow * 1e-5), SecondsPerByte(slow * 1e-9), {}},
                                     .source = "made up"});
    }
  }
  return cluster;
}

}  // namespace sextant::fuzz
