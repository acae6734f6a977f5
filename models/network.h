// A decoder-only Mixture-of-Experts transformer as data (configs/networks/*.yaml).
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

namespace sextant {

class ConfigNode;
class YamlWriter;

enum class ExpertKind {
  kGelu,    // two matrices: W2 gelu(W1 x)
  kSwiglu,  // three matrices: W2 (silu(W1 x) * W3 x)
};
[[nodiscard]] const char* to_text(ExpertKind kind);

struct Network {
  std::string name;
  std::vector<std::string> aliases{};
  std::string source{};           // where the numbers come from; may be empty for own networks
  std::int64_t vocabulary = 256;  // bytes
  int layers = 0;
  std::int64_t model_dim = 0;  // M
  int heads = 0;               // query heads
  int kv_heads = 0;            // key/value heads; divides heads
  std::int64_t head_dim = 0;   // per head; heads * head_dim need not equal model_dim
  double rope_theta = 10000.0;
  ExpertKind expert_kind = ExpertKind::kSwiglu;
  std::int64_t expert_hidden_dim = 0;  // H of one expert
  int num_experts = 0;                 // E
  int top_k = 0;
  double capacity_factor = 1.0;       // f: rows per expert and source rank = ceil(top_k * f * S / E), at most S
  double aux_loss_coefficient = 0.0;  // load-balance loss; 0 switches it off

  bool operator==(const Network&) const = default;
};

// Rows that one source rank of `tokens` tokens may send to one expert: min(tokens, ceil(k f tokens / E)).
[[nodiscard]] std::int64_t expert_capacity(const Network& network, std::int64_t tokens);

// Reads schema sextant/network@1; keys are exact. Throws ConfigError with path:line:column.
[[nodiscard]] Network load_network(const std::filesystem::path& path);
// A network inside another file (a plan, an experiment): the same keys, the schema line optional.
[[nodiscard]] Network parse_network(const ConfigNode& node);
// Writes the entries of a network, without schema line, into the map that `writer` is in.
void write_network(YamlWriter& writer, const Network& network);
// The canonical YAML text of a network; load(save(n)) == n. Its hash identifies it in a plan.
[[nodiscard]] std::string network_to_yaml(const Network& network);

// Parameters of the parts, in elements, of the whole network (no sharding).
[[nodiscard]] std::int64_t attention_parameters(const Network& network);  // one layer: Wq Wk Wv Wo
[[nodiscard]] std::int64_t replicated_layer_parameters(
    const Network& network);                                           // one layer: two RMSNorm weights and the gate
[[nodiscard]] std::int64_t expert_parameters(const Network& network);  // ONE expert
[[nodiscard]] std::int64_t total_parameters(const Network& network);
[[nodiscard]] std::int64_t active_parameters(const Network& network);  // top_k experts a layer

}  // namespace sextant
