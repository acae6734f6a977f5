// The 1458 MoE layers of the paper's Table 4.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/work.h"

namespace sextant::fsmoe_paper {

struct LayerConfig {
  std::int64_t batch = 1;  // B, samples per group of tensor-parallel ranks
  int heads = 8;
  std::int64_t sequence = 512;    // L
  std::int64_t model_dim = 1024;  // M
  int hidden_ratio = 2;           // H / M
  double capacity_factor = 1.2;   // f; the paper's "*" (nothing dropped) is planned as 1, like its authors' code does
  bool gated = false;             // three matrices ("Mixtral") instead of two ("simple")
};

// The paper does not say how many experts a token of this grid goes to.
inline constexpr int kTopK = 2;

// {1,2,4} x {8,16,32} x lengths x {1024,2048,4096} x {2,3,4} x {1.2,2.4,*} x {simple,Mixtral}; the lengths
// are 512, 1024, 2048 on testbed A and half of that on testbed B.
[[nodiscard]] std::vector<LayerConfig> table4(char testbed);

// `layers` such layers on FSMoE's layout: tensor and expert shards inside a node, data and expert
// parallelism across nodes, one expert per node. Attention has as many key-value as query heads.
[[nodiscard]] StepShape layer_step(const LayerConfig& config, const Topology& topology, int layers);

}  // namespace sextant::fsmoe_paper
