// A machine on which steps at scale can be counted by hand: 1 TFLOP/s at any size, memory that is never waited for by
// large products, 1 GB/s inside and 0.1 GB/s between nodes of 4 ranks, no latencies.
#pragma once

#include "models/cluster.h"
#include "models/layer_times.h"

namespace sextant {

inline Cluster simple_cluster() {
  Cluster cluster;
  cluster.name = "simple";
  cluster.topology = {.nodes = 1, .devices_per_node = 4};
  cluster.element_bytes = 2;
  cluster.device = {.peak = FlopsPerSecond(1e12), .memory_bandwidth = BytesPerSecond(1e12), .memory = Bytes(1e9)};
  cluster.reference = Reference{.source = "made for this test",
                                .intra = {BytesPerSecond(1e9), Seconds(0.0)},
                                .inter = {BytesPerSecond(1e8), Seconds(0.0)},
                                .product_efficiency = 1.0,
                                .attention_forward_efficiency = 1.0,
                                .attention_backward_efficiency = 1.0,
                                .memory_efficiency = 1.0};
  return cluster;
}

inline FrameworkAssumptions no_overhead() {
  return {.residual_passes = 0.0,
          .attention_passes = 0.0,
          .feed_forward_passes = 0.0,
          .permute_passes = 0.0,
          .logit_passes = 0.0,
          .host_time_of_moe_layer = Seconds(0.0),
          .step_overhead = Seconds(0.0)};
}

}  // namespace sextant
