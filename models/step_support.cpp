#include "models/step_support.h"

#include <vector>

#include "models/error.h"

namespace sextant {
namespace {

std::vector<std::string> unsupported_parts(const Network& n) {
  std::vector<std::string> parts;
  const auto add_if = [&parts](bool present, const char* name) {
    if (present) parts.emplace_back(name);
  };
  add_if(!n.dense.layers.empty(), "dense layers");
  add_if(n.shared_experts.has_value(), "shared experts");
  add_if(n.expert_groups.has_value(), "group-limited routing");
  add_if(n.mla.has_value(), "multi-head latent attention");
  add_if(n.sliding_window.has_value(), "sliding-window attention");
  add_if(n.attention_sinks, "attention sinks");
  add_if(n.qk_norm != QkNorm::kNone, "norms of queries and keys");
  add_if(n.biases != Biases{}, "biases");
  add_if(n.tied_embeddings, "tied embeddings");
  add_if(n.learned_positions != 0, "learned positions");
  add_if(n.mtp_layers != 0, "multi-token-prediction layers");
  return parts;
}

}  // namespace

std::optional<std::string> unsupported_by_step_model(const Network& network) {
  const std::vector<std::string> parts = unsupported_parts(network);
  if (parts.empty()) return std::nullopt;
  return fmt::format("network {} cannot be planned or trained: it has {}, which the model of a step does not cover",
                     network.name, fmt::join(parts, ", "));
}

Network load_supported_network(const std::filesystem::path& path) {
  Network network = load_network(path);
  if (const std::optional<std::string> reason = unsupported_by_step_model(network)) {
    throw ConfigError(fmt::format("{}: {}", path.string(), *reason));
  }
  return network;
}

}  // namespace sextant
