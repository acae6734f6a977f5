// The reading and writing half of models/network.h.
#include <algorithm>
#include <array>
#include <numeric>
#include <string_view>

#include "models/error.h"
#include "models/network.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr std::string_view kSchema = "sextant/network@1";

// The bias names of the file.
struct BiasName {
  std::string_view name;
  bool Biases::*member;
};
constexpr std::array<BiasName, 5> kBiasNames{{{"query_key_value", &Biases::query_key_value},
                                              {"attention_output", &Biases::attention_output},
                                              {"feed_forward", &Biases::feed_forward},
                                              {"router", &Biases::router},
                                              {"norm", &Biases::norm}}};

int as_bounded_int(const ConfigNode& node, int max) {
  return static_cast<int>(node.as_int(1, max));
}

// The value of `kinds` whose to_text is the node's text.
template <typename Enum, std::size_t size>
Enum enum_of(const ConfigNode& node, const std::array<Enum, size>& kinds) {
  const std::string text = node.as_string();
  std::string allowed;
  for (const Enum kind : kinds) {
    if (text == to_text(kind)) return kind;
    allowed += (allowed.empty() ? "" : ", ") + std::string(to_text(kind));
  }
  node.fail("found \"" + text + "\"; allowed: " + allowed);
}

void refuse_key(const ConfigNode& node, std::string_view key, std::string_view why) {
  if (node.has(key)) node[key].fail(fmt::format("not allowed {}", why));
}

// ---- parts ----

std::vector<int> first_layers(std::int64_t count) {
  std::vector<int> layers(static_cast<std::size_t>(count));
  std::iota(layers.begin(), layers.end(), 0);
  return layers;
}

std::vector<int> dense_layer_list(const ConfigNode& node, int layers) {
  if (!node.is_list()) return first_layers(node.as_int(1, layers));
  std::vector<int> result;
  for (const ConfigNode& item : node.items()) {
    const int layer = static_cast<int>(item.as_int(0, layers - 1));
    if (!result.empty() && layer <= result.back()) {
      item.fail(fmt::format("found layer {} after layer {}; allowed: ascending", layer, result.back()));
    }
    result.push_back(layer);
  }
  if (result.empty()) node.fail("found an empty list; allowed: a count, or a list of layers from 0");
  return result;
}

DenseLayers read_dense(const ConfigNode& node, int layers) {
  node.expect_keys({"layers", "hidden_dim"});
  return {.layers = dense_layer_list(node["layers"], layers),
          .hidden_dim = node["hidden_dim"].as_int(1, NetworkLimits::kDim)};
}

SharedExperts read_shared_experts(const ConfigNode& node) {
  node.expect_keys({"count", "hidden_dim"}, {"gate"});
  return {.count = as_bounded_int(node["count"], NetworkLimits::kExperts),
          .hidden_dim = node["hidden_dim"].as_int(1, NetworkLimits::kDim),
          .gate = node.has("gate") && node["gate"].as_bool()};
}

MlaShape read_mla(const ConfigNode& node) {
  node.expect_keys({"kv_lora_rank", "qk_nope_head_dim", "qk_rope_head_dim", "v_head_dim"}, {"q_lora_rank"});
  MlaShape mla;
  if (node.has("q_lora_rank")) mla.q_lora_rank = node["q_lora_rank"].as_int(1, NetworkLimits::kDim);
  mla.kv_lora_rank = node["kv_lora_rank"].as_int(1, NetworkLimits::kDim);
  mla.qk_nope_head_dim = node["qk_nope_head_dim"].as_int(1, NetworkLimits::kHeads);
  mla.qk_rope_head_dim = node["qk_rope_head_dim"].as_int(2, NetworkLimits::kHeads);
  mla.v_head_dim = node["v_head_dim"].as_int(1, NetworkLimits::kHeads);
  if (mla.qk_rope_head_dim % 2 != 0) {
    node["qk_rope_head_dim"].fail(
        fmt::format("{} is odd; rotary embedding turns pairs, allowed: even", mla.qk_rope_head_dim));
  }
  return mla;
}

SlidingWindow read_sliding_window(const ConfigNode& node) {
  node.expect_keys({"tokens"}, {"full_every"});
  SlidingWindow window{.tokens = node["tokens"].as_int(1, NetworkLimits::kVocabulary)};
  if (node.has("full_every"))
    window.full_every = static_cast<int>(node["full_every"].as_int(2, NetworkLimits::kLayers));
  return window;
}

Biases read_biases(const ConfigNode& node) {
  Biases biases;
  for (const ConfigNode& item : node.items()) {
    const std::string text = item.as_string();
    const auto* const found = std::find_if(kBiasNames.begin(), kBiasNames.end(),
                                           [&](const BiasName& candidate) { return candidate.name == text; });
    if (found == kBiasNames.end()) {
      item.fail("found \"" + text + "\"; allowed: query_key_value, attention_output, feed_forward, router, norm");
    }
    biases.*found->member = true;
  }
  return biases;
}

// ---- groups of keys ----

void read_identity(const ConfigNode& node, Network& n) {
  n.name = node["name"].as_string();
  if (node.has("aliases")) {
    for (const ConfigNode& alias : node["aliases"].items()) n.aliases.push_back(alias.as_string());
  }
  if (node.has("source")) n.source = node["source"].as_string();
}

void read_grouped_attention(const ConfigNode& node, Network& n) {
  n.kv_heads = as_bounded_int(node["kv_heads"], NetworkLimits::kHeads);
  n.head_dim = node["head_dim"].as_int(2, NetworkLimits::kHeads);
  if (n.heads % n.kv_heads != 0) {
    node["kv_heads"].fail(fmt::format("{} does not divide heads {}", n.kv_heads, n.heads));
  }
  if (n.head_dim % 2 != 0 && n.learned_positions == 0) {
    node["head_dim"].fail(fmt::format("{} is odd; rotary embedding turns pairs, allowed: even", n.head_dim));
  }
  if (node.has("qk_norm")) n.qk_norm = enum_of(node["qk_norm"], std::array{QkNorm::kPerHead, QkNorm::kWhole});
}

void read_latent_attention(const ConfigNode& node, Network& n) {
  constexpr std::string_view kWhy = "beside mla, which gives the dims of its heads and norms its latents";
  for (const char* key : {"kv_heads", "head_dim", "qk_norm"}) refuse_key(node, key, kWhy);
  if (n.biases.query_key_value) node["biases"].fail("query_key_value is not allowed beside mla");
  n.mla = read_mla(node["mla"]);
  n.kv_heads = n.heads;
  n.head_dim = n.mla->qk_nope_head_dim + n.mla->qk_rope_head_dim;
}

void read_attention(const ConfigNode& node, Network& n) {
  if (node.has("learned_positions")) {
    refuse_key(node, "rope_theta", "beside learned_positions");
    n.learned_positions = node["learned_positions"].as_int(1, NetworkLimits::kVocabulary);
  }
  if (node.has("rope_theta")) n.rope_theta = node["rope_theta"].as_double(1.0, 1e12);
  if (node.has("sliding_window")) n.sliding_window = read_sliding_window(node["sliding_window"]);
  if (node.has("attention_sinks")) n.attention_sinks = node["attention_sinks"].as_bool();
  if (node.has("mla")) {
    read_latent_attention(node, n);
  } else {
    read_grouped_attention(node, n);
  }
}

ExpertGroups read_expert_groups(const ConfigNode& node, const Network& n) {
  node.expect_keys({"count", "chosen"});
  const ExpertGroups groups{.count = static_cast<int>(node["count"].as_int(2, NetworkLimits::kExpertGroups)),
                            .chosen = static_cast<int>(node["chosen"].as_int(1, NetworkLimits::kExpertGroups))};
  if (n.num_experts % groups.count != 0) {
    node["count"].fail(fmt::format("{} does not divide num_experts {}", groups.count, n.num_experts));
  }
  if (groups.chosen >= groups.count) {
    node["chosen"].fail(fmt::format("{} of {} groups are no limit; allowed: fewer", groups.chosen, groups.count));
  }
  if (std::int64_t{groups.chosen} * (n.num_experts / groups.count) < n.top_k) {
    node["chosen"].fail(fmt::format("{} groups of {} experts hold less than top_k {}", groups.chosen,
                                    n.num_experts / groups.count, n.top_k));
  }
  return groups;
}

void read_experts(const ConfigNode& node, Network& n) {
  n.expert_hidden_dim = node["expert_hidden_dim"].as_int(1, NetworkLimits::kDim);
  n.num_experts = as_bounded_int(node["num_experts"], NetworkLimits::kExperts);
  n.top_k = as_bounded_int(node["top_k"], NetworkLimits::kExperts);
  n.capacity_factor = node["capacity_factor"].as_double(0.01, 1e4);
  if (node.has("aux_loss_coefficient")) n.aux_loss_coefficient = node["aux_loss_coefficient"].as_double(0.0, 1e3);
  if (node.has("shared_experts")) n.shared_experts = read_shared_experts(node["shared_experts"]);
  if (n.top_k > n.num_experts) {
    node["top_k"].fail(fmt::format("{} exceeds num_experts {}", n.top_k, n.num_experts));
  }
  if (node.has("expert_groups")) n.expert_groups = read_expert_groups(node["expert_groups"], n);
}

void read_feed_forward(const ConfigNode& node, Network& n) {
  n.expert_kind = enum_of(node["expert_kind"], std::array{ExpertKind::kGelu, ExpertKind::kSwiglu});
  if (node.has("dense")) n.dense = read_dense(node["dense"], n.layers);
  if (num_moe_layers(n) > 0) return read_experts(node, n);
  for (const char* key : {"expert_hidden_dim", "num_experts", "top_k", "capacity_factor", "aux_loss_coefficient",
                          "shared_experts", "expert_groups"}) {
    refuse_key(node, key, "where every layer is dense");
  }
  if (n.biases.router) node["biases"].fail("router is not allowed where every layer is dense");
}

}  // namespace

Network parse_network(const ConfigNode& node) {
  node.expect_keys({"name", "vocabulary", "layers", "model_dim", "heads", "expert_kind"}, {"schema",
                                                                                           "aliases",
                                                                                           "source",
                                                                                           "kv_heads",
                                                                                           "head_dim",
                                                                                           "rope_theta",
                                                                                           "mla",
                                                                                           "qk_norm",
                                                                                           "attention_sinks",
                                                                                           "sliding_window",
                                                                                           "expert_hidden_dim",
                                                                                           "num_experts",
                                                                                           "top_k",
                                                                                           "capacity_factor",
                                                                                           "aux_loss_coefficient",
                                                                                           "dense",
                                                                                           "shared_experts",
                                                                                           "expert_groups",
                                                                                           "biases",
                                                                                           "tied_embeddings",
                                                                                           "learned_positions",
                                                                                           "mtp_layers"});
  if (node.has("schema")) node.expect_schema(kSchema);
  Network n;
  read_identity(node, n);
  n.vocabulary = node["vocabulary"].as_int(2, NetworkLimits::kVocabulary);
  n.layers = as_bounded_int(node["layers"], NetworkLimits::kLayers);
  n.model_dim = node["model_dim"].as_int(1, NetworkLimits::kDim);
  n.heads = as_bounded_int(node["heads"], NetworkLimits::kHeads);
  if (node.has("biases")) n.biases = read_biases(node["biases"]);
  read_attention(node, n);
  read_feed_forward(node, n);
  if (node.has("tied_embeddings")) n.tied_embeddings = node["tied_embeddings"].as_bool();
  if (node.has("mtp_layers")) n.mtp_layers = as_bounded_int(node["mtp_layers"], NetworkLimits::kMtpLayers);
  return n;
}

Network load_network(const std::filesystem::path& path) {
  const ConfigNode root = ConfigNode::load_file(path);
  root.expect_schema(kSchema);
  return parse_network(root);
}

namespace {

void write_attention(YamlWriter& writer, const Network& n) {
  writer.entry("heads", n.heads);
  if (n.mla) {
    writer.begin_flow_map("mla");
    if (n.mla->q_lora_rank) writer.entry("q_lora_rank", *n.mla->q_lora_rank);
    writer.entry("kv_lora_rank", n.mla->kv_lora_rank)
        .entry("qk_nope_head_dim", n.mla->qk_nope_head_dim)
        .entry("qk_rope_head_dim", n.mla->qk_rope_head_dim)
        .entry("v_head_dim", n.mla->v_head_dim)
        .end();
  } else {
    writer.entry("kv_heads", n.kv_heads).entry("head_dim", n.head_dim);
  }
  if (n.qk_norm != QkNorm::kNone) writer.entry("qk_norm", to_text(n.qk_norm));
  if (n.attention_sinks) writer.entry("attention_sinks", true);
  if (n.sliding_window) {
    writer.begin_flow_map("sliding_window").entry("tokens", n.sliding_window->tokens);
    if (n.sliding_window->full_every != 0) writer.entry("full_every", n.sliding_window->full_every);
    writer.end();
  }
  if (n.learned_positions != 0) {
    writer.entry("learned_positions", n.learned_positions);
  } else {
    writer.entry("rope_theta", n.rope_theta);
  }
}

void write_dense(YamlWriter& writer, const Network& n) {
  if (n.dense.layers.empty()) return;
  writer.begin_flow_map("dense");
  if (n.dense.layers == first_layers(static_cast<std::int64_t>(n.dense.layers.size()))) {
    writer.entry("layers", static_cast<std::int64_t>(n.dense.layers.size()));
  } else {
    writer.begin_flow_list("layers");
    for (const int layer : n.dense.layers) writer.item(std::int64_t{layer});
    writer.end();
  }
  writer.entry("hidden_dim", n.dense.hidden_dim).end();
}

void write_feed_forward(YamlWriter& writer, const Network& n) {
  writer.entry("expert_kind", to_text(n.expert_kind));
  write_dense(writer, n);
  if (num_moe_layers(n) == 0) return;
  writer.entry("expert_hidden_dim", n.expert_hidden_dim)
      .entry("num_experts", n.num_experts)
      .entry("top_k", n.top_k)
      .entry("capacity_factor", n.capacity_factor)
      .entry("aux_loss_coefficient", n.aux_loss_coefficient);
  if (n.expert_groups) {
    writer.begin_flow_map("expert_groups")
        .entry("count", n.expert_groups->count)
        .entry("chosen", n.expert_groups->chosen)
        .end();
  }
  if (!n.shared_experts) return;
  writer.begin_flow_map("shared_experts")
      .entry("count", n.shared_experts->count)
      .entry("hidden_dim", n.shared_experts->hidden_dim);
  if (n.shared_experts->gate) writer.entry("gate", true);
  writer.end();
}

void write_biases(YamlWriter& writer, const Biases& biases) {
  if (biases == Biases{}) return;
  writer.begin_flow_list("biases");
  for (const BiasName& bias : kBiasNames) {
    if (biases.*bias.member) writer.item(bias.name);
  }
  writer.end();
}

}  // namespace

void write_network(YamlWriter& writer, const Network& n) {
  writer.entry("name", n.name);
  if (!n.aliases.empty()) {
    writer.begin_flow_list("aliases");
    for (const std::string& alias : n.aliases) writer.item(alias);
    writer.end();
  }
  if (!n.source.empty()) writer.entry("source", n.source);
  writer.entry("vocabulary", n.vocabulary).entry("layers", n.layers).entry("model_dim", n.model_dim);
  write_attention(writer, n);
  write_feed_forward(writer, n);
  write_biases(writer, n.biases);
  if (n.tied_embeddings) writer.entry("tied_embeddings", true);
  if (n.mtp_layers != 0) writer.entry("mtp_layers", n.mtp_layers);
}

std::string network_to_yaml(const Network& network) {
  YamlWriter writer;
  writer.begin_map().entry("schema", kSchema);
  write_network(writer, network);
  writer.end();
  return writer.text();
}

}  // namespace sextant
