// Random training steps and costs for property tests of the planner.
#pragma once

#include <array>
#include <cmath>
#include <random>
#include <vector>

#include "models/work.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {

inline int one_of(std::mt19937& random, const std::vector<int>& values) {
  return values[random() % values.size()];
}

// Layouts of 2 nodes x 4 devices; tp and ep on any links.
inline StepShape random_step(std::mt19937& random, int layers) {
  Network network;
  network.name = "random";
  network.vocabulary = one_of(random, {64, 512, 4096});
  network.layers = layers;
  network.model_dim = one_of(random, {16, 32, 64});
  network.heads = 8;
  network.kv_heads = 8;
  network.head_dim = 8;
  network.expert_hidden_dim = one_of(random, {32, 64, 128});
  network.num_experts = 8;
  network.top_k = 2;
  network.capacity_factor = 1.2;
  const int tp = one_of(random, {1, 2, 4});
  const int ep = one_of(random, {1, 2, 4, 8});
  const int esp = one_of(random, ep == 8 ? std::vector{1} : ep == 4 ? std::vector{1, 2} : std::vector{1, 2, 4});
  const ParallelDegrees degrees{.dp = 8 / tp, .tp = tp, .edp = 8 / ep / esp, .ep = ep, .esp = esp};
  return {network,
          ParallelLayout(degrees, {.nodes = 2, .devices_per_node = 4}),
          one_of(random, {1, 2}),
          one_of(random, {1, 1, 3}),
          16 * one_of(random, {1, 3, 4}),
          4};
}

inline double log_uniform(std::mt19937& random, double low, double high) {
  return low * std::pow(high / low, std::uniform_real_distribution<double>(0.0, 1.0)(random));
}

// Kernels at a random rate, every collective with its own alpha and beta, so that neither computation
// nor either link always dominates.
inline FakeCostModel random_costs(std::mt19937& random, double launch_latency_s = 0.0) {
  const double flops_per_s = log_uniform(random, 1e9, 3e10);
  const double kernel_alpha_s = log_uniform(random, 1e-6, 1e-4);
  std::array<std::array<double, 2>, 2 * kNumCollectives> lines{};
  for (auto& [alpha_s, beta_s] : lines) {
    alpha_s = log_uniform(random, 1e-6, 3e-4);
    beta_s = log_uniform(random, 1e-10, 3e-9);
  }
  FakeCostModel costs(
      [=](const KernelWork& work) {
        return Seconds(kernel_alpha_s) + count(work, 4).flops / FlopsPerSecond(flops_per_s);
      },
      [=](const CollectiveWork& work) {
        const auto& [alpha_s, beta_s] =
            lines[static_cast<std::size_t>(work.op) * 2 + (work.group.uses_inter() ? 1 : 0)];
        return Seconds(alpha_s) + SecondsPerByte(beta_s) * work.buffer;
      });
  costs.set_launch_latency(Seconds(launch_latency_s));
  return costs;
}

}  // namespace sextant
