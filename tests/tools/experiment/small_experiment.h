// An experiment and a cluster of four ranks that plan in milliseconds.
#pragma once

#include "models/cluster.h"
#include "tools/experiment/experiment_file.h"

namespace sextant {

// `num_ranks` of one node, with collectives over every power of two of them.
inline Cluster ranks_of_one_node(int num_ranks) {
  Cluster cluster;
  cluster.topology = {.nodes = 1, .devices_per_node = num_ranks};
  cluster.backend = "local";
  cluster.device = {.peak = FlopsPerSecond(1e11), .memory_bandwidth = BytesPerSecond(1e10), .memory = Bytes(1e9)};
  cluster.contention = {{.victim = Resource::kCompute, .aggressor = Resource::kIntra, .factor = 1.5}};
  for (int op = 0; op < kNumCollectives; ++op) {
    for (int ranks = 2; ranks <= num_ranks; ranks *= 2) {
      cluster.collectives.push_back({.op = Collective(op),
                                     .group = {.nodes = 1, .ranks_per_node = ranks},
                                     .points = {},
                                     .line = AlphaBeta{Seconds(1e-5), SecondsPerByte(1e-9), {}},
                                     .source = "test"});
    }
  }
  return cluster;
}

inline Cluster four_ranks() {
  Cluster cluster = ranks_of_one_node(4);
  cluster.name = "four ranks";
  return cluster;
}

// Two schedules on dp4 | ep4.
inline Experiment small_experiment() {
  Network network;
  network.name = "small";
  network.layers = 2;
  network.model_dim = 32;
  network.heads = 4;
  network.kv_heads = 4;
  network.head_dim = 8;
  network.expert_hidden_dim = 64;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 1.5;
  Experiment experiment;
  experiment.networks = {network};
  experiment.batches = {{.samples = 8}};
  experiment.sequences = {16};
  experiment.micro_batches = {std::nullopt};
  experiment.layouts = {{.kind = LayoutChoice::Kind::kFixed, .fixed = {.dp = 4, .ep = 4}}};
  experiment.schedules = {Policy::kSequential, Policy::kFsmoe};
  experiment.degrees = {{}};
  experiment.steps = 2;
  experiment.warmup_steps = 1;
  experiment.repeats = 2;
  return experiment;
}

}  // namespace sextant
