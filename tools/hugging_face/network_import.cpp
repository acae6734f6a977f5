#include "tools/hugging_face/network_import.h"

#include <algorithm>
#include <array>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr IntRange kDims{1, NetworkLimits::kDim};
constexpr IntRange kVocabularies{2, NetworkLimits::kVocabulary};
constexpr IntRange kHeads{1, NetworkLimits::kHeads};
constexpr IntRange kExperts{1, NetworkLimits::kExperts};
constexpr IntRange kExpertGroups{1, NetworkLimits::kExpertGroups};
constexpr IntRange kLayers{1, NetworkLimits::kLayers};
constexpr double kDefaultRopeTheta = 10000.0;  // where neither rope_theta nor rope_parameters is given

int integer(const JsonConfig& config, std::string_view key, IntRange range) {
  return static_cast<int>(config.integer(key, range));
}

// ---- what several families share ----

double rope_theta(const JsonConfig& config) {
  if (!config.has("rope_theta") && config.has("rope_parameters")) {
    return config.section("rope_parameters").number_or("rope_theta", kDefaultRopeTheta);
  }
  return config.number_or("rope_theta", kDefaultRopeTheta);
}

void require_silu(const JsonConfig& config, std::string_view key) {
  if (!config.has(key) || config.text(key) == "silu") return;
  config.refuse(key, "silu");
}

void require_false(const JsonConfig& config, std::string_view key) {
  if (config.boolean_or(key, false)) config.refuse(key, "false");
}

void read_sizes(const JsonConfig& config, Network& n) {
  n.vocabulary = config.integer("vocab_size", kVocabularies);
  n.layers = integer(config, "num_hidden_layers", kLayers);
  n.model_dim = config.integer("hidden_size", kDims);
  n.heads = integer(config, "num_attention_heads", kHeads);
  n.rope_theta = rope_theta(config);
  n.tied_embeddings = config.boolean_or("tie_word_embeddings", false);
  require_silu(config, "hidden_act");
}

void require_kv_heads_divide(const JsonConfig& config, std::string_view key, const Network& n) {
  if (n.heads % n.kv_heads == 0) return;
  config.refuse(key, fmt::format("a divisor of the {} query heads", n.heads));
}

std::int64_t head_dim(const JsonConfig& config, std::string_view model_dim_key, const Network& n) {
  if (config.has("head_dim")) return config.integer("head_dim", {2, NetworkLimits::kHeads});
  if (n.model_dim % n.heads == 0) return n.model_dim / n.heads;
  config.fail(model_dim_key, fmt::format("found {}; allowed without head_dim: a multiple of the {} query heads",
                                         n.model_dim, n.heads));
}

void read_grouped_attention(const JsonConfig& config, Network& n) {
  n.kv_heads = static_cast<int>(config.integer_or("num_key_value_heads", kHeads, n.heads));
  require_kv_heads_divide(config, "num_key_value_heads", n);
  n.head_dim = head_dim(config, "hidden_size", n);
}

// `attention_bias` of all families that have it: a bias on each of the four projections.
void read_attention_bias(const JsonConfig& config, Network& n) {
  n.biases.query_key_value = n.biases.attention_output = config.boolean_or("attention_bias", false);
}

struct ExpertKeys {
  std::string_view experts;
  std::string_view top_k = "num_experts_per_tok";
  std::string_view hidden_dim;
  std::string_view aux_loss = "router_aux_loss_coef";
};

void read_experts(const JsonConfig& config, const ExpertKeys& keys, Network& n) {
  const std::string_view experts =
      config.spelling({keys.experts, "num_experts", "num_local_experts", "n_routed_experts", "moe_num_experts"});
  const std::string_view top_k = config.spelling({keys.top_k, "num_experts_per_tok", "experts_per_token", "moe_top_k"});
  n.num_experts = integer(config, experts, kExperts);
  n.top_k = integer(config, top_k, kExperts);
  n.expert_hidden_dim = config.integer(keys.hidden_dim, kDims);
  n.aux_loss_coefficient = config.number_or(keys.aux_loss, 0.0);
  if (n.top_k > n.num_experts) {
    config.refuse(top_k, fmt::format("at most {} {}", experts, n.num_experts));
  }
}

// Every layer for which `is_dense` holds has a dense feed-forward of `intermediate_size`.
template <typename Predicate>
void read_dense_layers(const JsonConfig& config, Network& n, const Predicate& is_dense) {
  for (int layer = 0; layer < n.layers; ++layer) {
    if (is_dense(layer)) n.dense.layers.push_back(layer);
  }
  if (n.dense.layers.empty()) return;
  n.dense.hidden_dim = config.integer("intermediate_size", kDims);
  if (num_moe_layers(n) > 0) return;
  n.num_experts = n.top_k = 0;
  n.expert_hidden_dim = 0;
  n.aux_loss_coefficient = 0.0;
  n.shared_experts.reset();
  n.expert_groups.reset();
  n.biases.router = false;
}

// ---- families ----

void read_mixtral(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_grouped_attention(config, n);
  read_experts(config, {.experts = "num_local_experts", .hidden_dim = "intermediate_size"}, n);
  if (config.has("sliding_window")) n.sliding_window = {.tokens = config.integer("sliding_window", kVocabularies)};
}

void read_olmoe(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_grouped_attention(config, n);
  read_attention_bias(config, n);
  n.qk_norm = QkNorm::kWhole;
  read_experts(config, {.experts = "num_experts", .hidden_dim = "intermediate_size"}, n);
}

// What qwen2_moe and qwen3_moe share.
void read_qwen(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_grouped_attention(config, n);
  require_false(config, "use_sliding_window");
  read_experts(config, {.experts = "num_experts", .hidden_dim = "moe_intermediate_size"}, n);
}

void read_qwen_dense_layers(const JsonConfig& config, Network& n) {
  const std::int64_t sparse_step = config.integer_or("decoder_sparse_step", kLayers, 1);
  const std::vector<std::int64_t> dense = config.integers_or_none("mlp_only_layers", {0, n.layers - 1});
  read_dense_layers(config, n, [&](int layer) {
    return (layer + 1) % sparse_step != 0 || std::find(dense.begin(), dense.end(), layer) != dense.end();
  });
}

void read_qwen2_moe(const JsonConfig& config, Network& n) {
  read_qwen(config, n);
  n.biases.query_key_value = config.boolean_or("qkv_bias", true);
  n.shared_experts = {.count = 1, .hidden_dim = config.integer("shared_expert_intermediate_size", kDims), .gate = true};
  read_qwen_dense_layers(config, n);
}

void read_qwen3_moe(const JsonConfig& config, Network& n) {
  read_qwen(config, n);
  read_attention_bias(config, n);
  n.qk_norm = QkNorm::kPerHead;
  read_qwen_dense_layers(config, n);
}

void read_latent_attention(const JsonConfig& config, Network& n) {
  require_false(config, "attention_bias");
  MlaShape mla;
  if (config.has("q_lora_rank")) mla.q_lora_rank = config.integer("q_lora_rank", kDims);
  mla.kv_lora_rank = config.integer("kv_lora_rank", kDims);
  mla.qk_nope_head_dim = config.integer("qk_nope_head_dim", kHeads);
  mla.qk_rope_head_dim = config.integer("qk_rope_head_dim", kHeads);
  mla.v_head_dim = config.integer("v_head_dim", kHeads);
  n.mla = mla;
  n.kv_heads = n.heads;
  n.head_dim = mla.qk_nope_head_dim + mla.qk_rope_head_dim;
}

// Routers other than "greedy" choose among the experts of the `topk_group` best of `n_group` groups.
void read_expert_groups(const JsonConfig& config, Network& n) {
  const bool limits = config.has("n_group") && config.has("topk_group");
  if (!limits || (config.has("topk_method") && config.text("topk_method") == "greedy")) return;
  const ExpertGroups groups{.count = integer(config, "n_group", kExpertGroups),
                            .chosen = integer(config, "topk_group", kExpertGroups)};
  if (groups.count == 1 || groups.chosen == groups.count) return;
  if (n.num_experts % groups.count != 0)
    config.refuse("n_group", fmt::format("a divisor of {} experts", n.num_experts));
  const std::int64_t reached = std::int64_t{groups.chosen} * (n.num_experts / groups.count);
  if (groups.chosen > groups.count || reached < n.top_k) {
    config.refuse("topk_group", fmt::format("at most {} groups that hold {} experts or more", groups.count, n.top_k));
  }
  n.expert_groups = groups;
}

void read_deepseek_v2(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_latent_attention(config, n);
  read_experts(config,
               {.experts = "n_routed_experts", .hidden_dim = "moe_intermediate_size", .aux_loss = "aux_loss_alpha"}, n);
  read_expert_groups(config, n);
  const std::int64_t shared = config.integer_or("n_shared_experts", {0, NetworkLimits::kExperts}, 0);
  if (shared > 0) n.shared_experts = {.count = static_cast<int>(shared), .hidden_dim = n.expert_hidden_dim};
  const std::int64_t first_moe_layer = config.integer("first_k_dense_replace", {0, NetworkLimits::kLayers});
  const std::int64_t frequency = config.integer_or("moe_layer_freq", kLayers, 1);
  read_dense_layers(config, n, [&](int layer) { return layer < first_moe_layer || layer % frequency != 0; });
}

void read_deepseek_v3(const JsonConfig& config, Network& n) {
  read_deepseek_v2(config, n);
  // The loss-free balancing adds a bias to the score of each expert.
  const bool has_balancing_bias = !config.has("topk_method") || config.text("topk_method") == "noaux_tc";
  n.biases.router = has_balancing_bias && n.num_experts > 0;
  n.mtp_layers = static_cast<int>(config.integer_or("num_nextn_predict_layers", {0, NetworkLimits::kMtpLayers}, 0));
}

std::vector<std::string> layer_types(int layers, int full_every) {
  std::vector<std::string> types;
  for (int layer = 0; layer < layers; ++layer) {
    const bool is_full = full_every != 0 && (layer + 1) % full_every == 0;
    types.emplace_back(is_full ? "full_attention" : "sliding_attention");
  }
  return types;
}

// GPT-OSS names the attention of every layer; a SlidingWindow says that every n-th attends to all.
std::optional<SlidingWindow> read_layer_types(const JsonConfig& config, const Network& n) {
  SlidingWindow window{.full_every = 2};  // the alternation of a config.json without layer_types
  if (config.has("layer_types")) {
    const std::vector<std::string> types = config.texts("layer_types");
    const auto full = std::find(types.begin(), types.end(), "full_attention");
    window.full_every = full == types.end() ? 0 : static_cast<int>(full - types.begin()) + 1;
    if (types != layer_types(n.layers, window.full_every)) {
      config.fail("layer_types", fmt::format("found another order; allowed: {} entries, each sliding_attention or, at "
                                             "every n-th, full_attention",
                                             n.layers));
    }
  }
  if (window.full_every == 1) return std::nullopt;
  window.tokens = config.integer("sliding_window", kVocabularies);
  return window;
}

void read_gpt_oss(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_grouped_attention(config, n);
  n.head_dim = config.integer("head_dim", kHeads);
  n.biases.query_key_value = n.biases.attention_output = config.boolean_or("attention_bias", true);
  n.biases.feed_forward = n.biases.router = true;
  n.attention_sinks = true;
  n.sliding_window = read_layer_types(config, n);
  read_experts(config, {.experts = "num_local_experts", .hidden_dim = "intermediate_size"}, n);
}

void read_dbrx(const JsonConfig& config, Network& n) {
  const JsonConfig attention = config.section("attn_config");
  const JsonConfig feed_forward = config.section("ffn_config");
  n.vocabulary = config.integer("vocab_size", kVocabularies);
  n.layers = integer(config, "n_layers", kLayers);
  n.model_dim = config.integer("d_model", kDims);
  n.heads = integer(config, "n_heads", kHeads);
  n.kv_heads = integer(attention, "kv_n_heads", kHeads);
  require_kv_heads_divide(attention, "kv_n_heads", n);
  n.head_dim = head_dim(config, "d_model", n);
  n.rope_theta = rope_theta(attention);
  n.tied_embeddings = config.boolean_or("tie_word_embeddings", false);
  if (feed_forward.has("ffn_act_fn")) require_silu(feed_forward.section("ffn_act_fn"), "name");
  read_experts(feed_forward,
               {.experts = "moe_num_experts",
                .top_k = "moe_top_k",
                .hidden_dim = "ffn_hidden_size",
                .aux_loss = "moe_loss_weight"},
               n);
}

void read_llama(const JsonConfig& config, Network& n) {
  read_sizes(config, n);
  read_grouped_attention(config, n);
  read_attention_bias(config, n);
  n.biases.feed_forward = config.boolean_or("mlp_bias", false);
  read_dense_layers(config, n, [](int /*layer*/) { return true; });
}

struct Family {
  std::string_view model_type;
  void (*read)(const JsonConfig& config, Network& n);
};
constexpr std::array<Family, 9> kFamilies{{{"mixtral", read_mixtral},
                                           {"qwen2_moe", read_qwen2_moe},
                                           {"qwen3_moe", read_qwen3_moe},
                                           {"deepseek_v2", read_deepseek_v2},
                                           {"deepseek_v3", read_deepseek_v3},
                                           {"olmoe", read_olmoe},
                                           {"gpt_oss", read_gpt_oss},
                                           {"dbrx", read_dbrx},
                                           {"llama", read_llama}}};

const Family& family_of(const JsonConfig& config) {
  if (!config.has("model_type")) config.refuse("model_type", importable_model_types());
  const std::string model_type = config.text("model_type");
  const auto* const found = std::find_if(kFamilies.begin(), kFamilies.end(),
                                         [&](const Family& family) { return family.model_type == model_type; });
  if (found != kFamilies.end()) return *found;
  config.refuse("model_type", importable_model_types());
}

}  // namespace

std::string importable_model_types() {
  std::string types;
  for (const Family& family : kFamilies) types += (types.empty() ? "" : ", ") + std::string(family.model_type);
  return types;
}

Network network_from_hugging_face(const JsonConfig& config, const ImportOptions& options) {
  const Family& family = family_of(config);
  Network n;
  n.name = options.name;
  n.source = fmt::format("{}, model_type {}", config.origin(), family.model_type);
  family.read(config, n);
  if (num_moe_layers(n) > 0) n.capacity_factor = options.capacity_factor;
  // Nothing is written that would not be read.
  return parse_network(ConfigNode::parse(network_to_yaml(n), config.origin() + " as a network file"));
}

}  // namespace sextant
