// A cluster of two nodes of four with a few measured points whose costs are easy to compute by hand.
#pragma once

#include "models/cluster.h"

namespace sextant {

inline MeasuredPoint measured(Seconds median) {
  return {.median = median, .low = 0.9 * median, .high = 1.2 * median, .repeats = 20};
}

// Points of T(n) = alpha + beta n at 10, 100 and 1000 kB.
inline CollectiveSeries linear_series(Collective op, const GroupShape& group, Seconds alpha, SecondsPerByte beta) {
  CollectiveSeries series{.op = op, .group = group, .points = {}, .line = std::nullopt, .source = ""};
  for (const double buffer_bytes : {1e4, 1e5, 1e6}) {
    const Bytes buffer(buffer_bytes);
    series.points.push_back({.buffer = buffer, .time = measured(alpha + beta * buffer)});
  }
  return series;
}

inline Cluster small_cluster() {
  Cluster cluster;
  cluster.name = "small";
  cluster.source = "made up for tests";
  cluster.topology = {.nodes = 2, .devices_per_node = 4};
  cluster.backend = "local";
  cluster.machine = "none: 8 x \"nothing\"";
  cluster.date = "2025-01-18";
  cluster.device = {.peak = FlopsPerSecond(1e12), .memory_bandwidth = BytesPerSecond(1e11), .memory = Bytes(1e10)};
  cluster.launch_latency = Seconds(5e-6);
  cluster.collectives.push_back(
      linear_series(Collective::kAllToAll, {.nodes = 2, .ranks_per_node = 1}, Seconds(1e-5), SecondsPerByte(1e-9)));
  cluster.collectives.push_back(
      linear_series(Collective::kAllGather, {.nodes = 1, .ranks_per_node = 2}, Seconds(2e-6), SecondsPerByte(2e-10)));
  cluster.collectives.push_back(
      linear_series(Collective::kAllGather, {.nodes = 1, .ranks_per_node = 4}, Seconds(3e-6), SecondsPerByte(3e-10)));
  KernelSeries expert{.op = Operator::kExpert,
                      .pass = Pass::kForward,
                      .shape = {.model_dim = 64, .hidden_dim = 128, .experts = 2, .gated = 1},
                      .points = {}};
  for (const int rows : {16, 64, 256}) {
    expert.points.push_back({.rows = rows, .time = measured(Seconds(1e-5 + 1e-6 * rows))});
  }
  cluster.kernels.push_back(expert);
  return cluster;
}

}  // namespace sextant
