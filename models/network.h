// A decoder-only transformer, Mixture-of-Experts or dense, as data (configs/networks/*.yaml).
// Every key of the file is described in configs/networks/README.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

namespace sextant {

class ConfigNode;
class YamlWriter;

// The feed-forward of an expert, of a dense layer and of a shared expert.
enum class ExpertKind {
  kGelu,    // two matrices: W2 gelu(W1 x)
  kSwiglu,  // three matrices: W2 (silu(W1 x) * W3 x)
};
[[nodiscard]] const char* to_text(ExpertKind kind);

// RMSNorm of queries and keys before the rotary embedding.
enum class QkNorm {
  kNone,
  kPerHead,  // one weight of head_dim for all heads of the queries, one for the keys (Qwen3)
  kWhole,    // one weight over all heads of the queries, one over those of the keys (OLMoE)
};
[[nodiscard]] const char* to_text(QkNorm norm);

// Layers whose feed-forward is one dense network instead of experts.
struct DenseLayers {
  std::vector<int> layers{};  // ascending; the file says `3` for the first three, or lists them from 0
  std::int64_t hidden_dim = 0;
  bool operator==(const DenseLayers&) const = default;
};

// Experts that every token of a MoE layer passes, beside the top_k that it chooses.
struct SharedExperts {
  int count = 0;
  std::int64_t hidden_dim = 0;  // of one of them
  bool gate = false;            // their sum is scaled by the sigmoid of a learned product (Qwen2)
  bool operator==(const SharedExperts&) const = default;
};

// Group-limited routing (DeepSeek-V2, section 2.2.2; DeepSeek-V3, section 2.1.2): experts are in `count` groups of
// consecutive ones, and those of a token lie in `chosen` groups at most. With a group a node, tokens go to that many.
struct ExpertGroups {
  int count = 0;   // divides num_experts
  int chosen = 0;  // below count
  bool operator==(const ExpertGroups&) const = default;
};

// Multi-head latent attention (DeepSeek-V2, section 2.1): queries and keys/values pass through narrow
// latents, each with its RMSNorm; a part of the key that carries the position is shared by all heads.
struct MlaShape {
  std::optional<std::int64_t> q_lora_rank{};  // absent: queries are projected directly (V2-Lite)
  std::int64_t kv_lora_rank = 0;
  std::int64_t qk_nope_head_dim = 0;
  std::int64_t qk_rope_head_dim = 0;
  std::int64_t v_head_dim = 0;
  bool operator==(const MlaShape&) const = default;
};

// Layers that attend to the last `tokens` positions only.
struct SlidingWindow {
  std::int64_t tokens = 0;
  int full_every = 0;  // every n-th layer attends to all positions (GPT-OSS: 2); 0: none does
  bool operator==(const SlidingWindow&) const = default;
};

// Which products add a learned bias. `norm` makes every norm a LayerNorm with a shift.
struct Biases {
  bool query_key_value = false;
  bool attention_output = false;
  bool feed_forward = false;
  bool router = false;  // one number an expert, DeepSeek-V3's balancing term included
  bool norm = false;
  bool operator==(const Biases&) const = default;
};

// Bounds of a network file: far above any network in the field, low enough that no product of them in this
// folder leaves 63 bits (3 * 2^18 * 2^18 * 2^12 * 2^10 for the experts of all layers, as much for shared ones).
struct NetworkLimits {
  static constexpr std::int64_t kDim = std::int64_t{1} << 18;
  static constexpr std::int64_t kVocabulary = std::int64_t{1} << 24;
  static constexpr int kHeads = 1 << 12;  // and the dims of a head
  static constexpr int kExperts = 1 << 12;
  static constexpr int kExpertGroups = 1 << 8;
  static constexpr int kLayers = 1 << 10;
  static constexpr int kMtpLayers = 1 << 6;
};

struct Network {
  std::string name;
  std::vector<std::string> aliases{};
  std::string source{};           // where the numbers come from; may be empty for own networks
  std::int64_t vocabulary = 256;  // bytes
  int layers = 0;                 // dense ones included
  std::int64_t model_dim = 0;     // M
  int heads = 0;                  // query heads
  int kv_heads = 0;               // key/value heads; divides heads; with mla it is heads
  std::int64_t head_dim = 0;      // per head of queries and keys; heads * head_dim need not equal model_dim
  double rope_theta = 10000.0;
  ExpertKind expert_kind = ExpertKind::kSwiglu;
  std::int64_t expert_hidden_dim = 0;  // H of one expert
  int num_experts = 0;                 // E; it, top_k and expert_hidden_dim are 0 when every layer is dense
  int top_k = 0;
  double capacity_factor = 1.0;       // f: rows per expert and source rank = ceil(top_k * f * S / E), at most S
  double aux_loss_coefficient = 0.0;  // load-balance loss; 0 switches it off
  // What many networks lack; the defaults mean "has none".
  DenseLayers dense{};
  std::optional<SharedExperts> shared_experts{};
  std::optional<ExpertGroups> expert_groups{};
  std::optional<MlaShape> mla{};
  std::optional<SlidingWindow> sliding_window{};
  QkNorm qk_norm = QkNorm::kNone;
  bool attention_sinks = false;  // one learned logit a head that takes no part in the weighted sum
  Biases biases{};
  bool tied_embeddings = false;        // the output matrix is the token table
  std::int64_t learned_positions = 0;  // rows of a position table; 0: rotary embedding
  int mtp_layers = 0;                  // multi-token-prediction modules behind the last layer (DeepSeek-V3)

  bool operator==(const Network&) const = default;
};

// Rows that one source rank of `tokens` tokens may send to one expert: min(tokens, ceil(k f tokens / E)).
// REQUIRES: num_experts >= 1.
[[nodiscard]] std::int64_t expert_capacity(const Network& network, std::int64_t tokens);
[[nodiscard]] bool is_dense_layer(const Network& network, int layer);
[[nodiscard]] int num_moe_layers(const Network& network);

// Reads schema sextant/network@1; keys are exact. Throws ConfigError with path:line:column.
[[nodiscard]] Network load_network(const std::filesystem::path& path);
// A network inside another file (a plan, an experiment): the same keys, the schema line optional.
[[nodiscard]] Network parse_network(const ConfigNode& node);
// Writes the entries of a network, without schema line, into the map that `writer` is in. Parts that
// the network has not are left out.
void write_network(YamlWriter& writer, const Network& network);
// The canonical YAML text of a network; load(save(n)) == n. Its hash identifies it in a plan.
[[nodiscard]] std::string network_to_yaml(const Network& network);

// Parameters of the parts, in elements, of the whole network (no sharding). Formulas: models/README.md, 5.
[[nodiscard]] std::int64_t attention_parameters(const Network& network);  // one layer
// One MoE layer: two norms and the router.
[[nodiscard]] std::int64_t replicated_layer_parameters(const Network& network);
[[nodiscard]] std::int64_t expert_parameters(const Network& network);         // ONE expert of the E
[[nodiscard]] std::int64_t shared_expert_parameters(const Network& network);  // one MoE layer: all shared, their gate
[[nodiscard]] std::int64_t dense_layer_parameters(const Network& network);    // one dense layer's feed-forward
// All multi-token-prediction modules: each a layer as the last one, three norms and a 2M x M projection.
[[nodiscard]] std::int64_t mtp_parameters(const Network& network);
// Without the multi-token-prediction modules, as published totals count (DeepSeek-V3: 671 B).
[[nodiscard]] std::int64_t total_parameters(const Network& network);
// Of these, what one token meets: top_k experts a MoE layer, every other part whole.
[[nodiscard]] std::int64_t active_parameters(const Network& network);

}  // namespace sextant
