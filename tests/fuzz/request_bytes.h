// Bytes as a request: networks, topologies, batches and fixed degrees, most of them small, some of them huge.
#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <fuzzer/FuzzedDataProvider.h>

#include "models/network.h"
#include "models/yaml_io.h"
#include "tests/fuzz/fuzz.h"

namespace sextant::fuzz {

class RequestBytes {
 public:
  RequestBytes(const std::uint8_t* data, std::size_t size) : bytes_(data, size) {}

  // Three of four are at most `small`; the others at most `largest`.
  std::int64_t count(std::int64_t small, std::int64_t largest) {
    const bool is_small = bytes_.ConsumeIntegralInRange(0, 3) > 0;
    return bytes_.ConsumeIntegralInRange<std::int64_t>(1, is_small ? small : largest);
  }
  int count_int(int small, int largest) { return static_cast<int>(count(small, largest)); }

  // Absent in three of four.
  std::optional<int> fixed(int largest) {
    if (bytes_.ConsumeIntegralInRange(0, 3) > 0) return std::nullopt;
    return bytes_.ConsumeIntegralInRange(1, largest);
  }
  bool coin() { return bytes_.ConsumeBool(); }

  // Read from its own file, as every network is; nothing where the reader refuses it.
  std::optional<Network> network(bool may_be_large) {
    const auto dim = [&](std::int64_t small, std::int64_t largest) {
      return count(small, may_be_large ? largest : small);
    };
    Network n{.name = "fuzzed"};
    n.vocabulary = 1 + dim(1000, NetworkLimits::kVocabulary - 1);
    n.layers = static_cast<int>(dim(may_be_large ? 30 : 3, NetworkLimits::kLayers));
    n.model_dim = dim(64, NetworkLimits::kDim);
    n.heads = static_cast<int>(dim(24, NetworkLimits::kHeads));
    n.kv_heads = coin() ? n.heads : static_cast<int>(dim(8, NetworkLimits::kHeads));
    n.head_dim = 2 * dim(16, NetworkLimits::kHeads / 2);
    n.expert_kind = coin() ? ExpertKind::kSwiglu : ExpertKind::kGelu;
    n.num_experts = static_cast<int>(dim(24, NetworkLimits::kExperts));
    n.top_k = static_cast<int>(dim(4, NetworkLimits::kExperts));
    n.expert_hidden_dim = dim(64, NetworkLimits::kDim);
    n.capacity_factor = 0.25 * static_cast<double>(dim(8, 40000));
    if (may_be_large && coin()) make_dense(n);
    return answer([&] { return parse_network(ConfigNode::parse(network_to_yaml(n), kOrigin)); });
  }

 private:
  // The first layers, or all of them.
  void make_dense(Network& n) {
    const int dense = coin() ? n.layers : count_int(2, n.layers);
    for (int layer = 0; layer < dense && layer < n.layers; ++layer) n.dense.layers.push_back(layer);
    n.dense.hidden_dim = count(64, NetworkLimits::kDim);
    if (num_moe_layers(n) > 0) return;
    n.num_experts = n.top_k = 0;
    n.expert_hidden_dim = 0;
    n.capacity_factor = 1.0;
  }

  FuzzedDataProvider bytes_;
};

}  // namespace sextant::fuzz
