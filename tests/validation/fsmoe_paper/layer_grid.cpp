#include "tests/validation/fsmoe_paper/layer_grid.h"

namespace sextant::fsmoe_paper {

std::vector<LayerConfig> table4(char testbed) {
  const std::int64_t shortest = testbed == 'a' ? 512 : 256;
  std::vector<LayerConfig> configs;
  for (const std::int64_t batch : {1, 2, 4}) {
    for (const int heads : {8, 16, 32}) {
      for (const std::int64_t sequence : {shortest, 2 * shortest, 4 * shortest}) {
        for (const std::int64_t model_dim : {1024, 2048, 4096}) {
          for (const int hidden_ratio : {2, 3, 4}) {
            for (const double capacity_factor : {1.2, 2.4, 1.0}) {
              for (const bool gated : {false, true}) {
                configs.push_back({batch, heads, sequence, model_dim, hidden_ratio, capacity_factor, gated});
              }
            }
          }
        }
      }
    }
  }
  return configs;
}

StepShape layer_step(const LayerConfig& config, const Topology& topology, int layers) {
  const Network network{.name = "layer",
                        .vocabulary = 1,
                        .layers = layers,
                        .model_dim = config.model_dim,
                        .heads = config.heads,
                        .kv_heads = config.heads,
                        .head_dim = config.model_dim / config.heads,
                        .expert_kind = config.gated ? ExpertKind::kSwiglu : ExpertKind::kGelu,
                        .expert_hidden_dim = config.model_dim * config.hidden_ratio,
                        .num_experts = topology.nodes,
                        .top_k = kTopK,
                        .capacity_factor = config.capacity_factor};
  const ParallelDegrees degrees{
      .dp = topology.nodes, .tp = topology.devices_per_node, .ep = topology.nodes, .esp = topology.devices_per_node};
  return {.network = network,
          .layout = ParallelLayout(degrees, topology),
          .micro_batch = config.batch,
          .num_micro_batches = 1,
          .sequence = config.sequence,
          .element_bytes = 4};
}

}  // namespace sextant::fsmoe_paper
