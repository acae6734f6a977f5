#include "models/network.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr std::string_view kSchema = "sextant/network@1";

// Bounds far above any network in the field, low enough that no product of them in this folder
// leaves 63 bits (2 * 2^18 * 2^18 * 2^12 * 2^10 for the experts of all layers).
constexpr std::int64_t kMaxDim = std::int64_t{1} << 18;
constexpr std::int64_t kMaxVocabulary = std::int64_t{1} << 24;
constexpr int kMaxHeads = 1 << 12;
constexpr int kMaxExperts = 1 << 12;
constexpr int kMaxLayers = 1 << 10;

int as_bounded_int(const ConfigNode& node, int max) {
  return static_cast<int>(node.as_int(1, max));
}

ExpertKind expert_kind_of(const ConfigNode& node) {
  const std::string text = node.as_string();
  for (const ExpertKind kind : {ExpertKind::kGelu, ExpertKind::kSwiglu}) {
    if (text == to_text(kind)) return kind;
  }
  node.fail("found \"" + text + "\"; allowed: gelu, swiglu");
}

void require_consistent(const ConfigNode& node, const Network& n) {
  if (n.heads % n.kv_heads != 0) {
    node["kv_heads"].fail(fmt::format("{} does not divide heads {}", n.kv_heads, n.heads));
  }
  if (n.head_dim % 2 != 0) {
    node["head_dim"].fail(fmt::format("{} is odd; rotary embedding turns pairs, allowed: even", n.head_dim));
  }
  if (n.top_k > n.num_experts) {
    node["top_k"].fail(fmt::format("{} exceeds num_experts {}", n.top_k, n.num_experts));
  }
}

}  // namespace

const char* to_text(ExpertKind kind) {
  return kind == ExpertKind::kGelu ? "gelu" : "swiglu";
}

std::int64_t expert_capacity(const Network& network, std::int64_t tokens) {
  const double rows = network.top_k * network.capacity_factor * static_cast<double>(tokens) / network.num_experts;
  // 2 * 1.1 * 50 is 110.00000000000001 in doubles: without the tolerance it would become 111 rows.
  constexpr double kRounding = 1e-12;
  return std::min(tokens, static_cast<std::int64_t>(std::ceil(rows * (1.0 - kRounding))));
}

Network parse_network(const ConfigNode& node) {
  node.expect_keys({"name", "vocabulary", "layers", "model_dim", "heads", "kv_heads", "head_dim", "expert_kind",
                    "expert_hidden_dim", "num_experts", "top_k", "capacity_factor"},
                   {"schema", "aliases", "source", "rope_theta", "aux_loss_coefficient"});
  if (node.has("schema")) node.expect_schema(kSchema);
  Network n;
  n.name = node["name"].as_string();
  if (node.has("aliases")) {
    for (const ConfigNode& alias : node["aliases"].items()) n.aliases.push_back(alias.as_string());
  }
  if (node.has("source")) n.source = node["source"].as_string();
  n.vocabulary = node["vocabulary"].as_int(2, kMaxVocabulary);
  n.layers = as_bounded_int(node["layers"], kMaxLayers);
  n.model_dim = node["model_dim"].as_int(1, kMaxDim);
  n.heads = as_bounded_int(node["heads"], kMaxHeads);
  n.kv_heads = as_bounded_int(node["kv_heads"], kMaxHeads);
  n.head_dim = node["head_dim"].as_int(2, kMaxHeads);
  if (node.has("rope_theta")) n.rope_theta = node["rope_theta"].as_double(1.0, 1e12);
  n.expert_kind = expert_kind_of(node["expert_kind"]);
  n.expert_hidden_dim = node["expert_hidden_dim"].as_int(1, kMaxDim);
  n.num_experts = as_bounded_int(node["num_experts"], kMaxExperts);
  n.top_k = as_bounded_int(node["top_k"], kMaxExperts);
  n.capacity_factor = node["capacity_factor"].as_double(0.01, 1e4);
  if (node.has("aux_loss_coefficient")) n.aux_loss_coefficient = node["aux_loss_coefficient"].as_double(0.0, 1e3);
  require_consistent(node, n);
  return n;
}

Network load_network(const std::filesystem::path& path) {
  const ConfigNode root = ConfigNode::load_file(path);
  root.expect_schema(kSchema);
  return parse_network(root);
}

void write_network(YamlWriter& writer, const Network& n) {
  writer.entry("name", n.name);
  if (!n.aliases.empty()) {
    writer.begin_flow_list("aliases");
    for (const std::string& alias : n.aliases) writer.item(alias);
    writer.end();
  }
  if (!n.source.empty()) writer.entry("source", n.source);
  writer.entry("vocabulary", n.vocabulary)
      .entry("layers", n.layers)
      .entry("model_dim", n.model_dim)
      .entry("heads", n.heads)
      .entry("kv_heads", n.kv_heads)
      .entry("head_dim", n.head_dim)
      .entry("rope_theta", n.rope_theta)
      .entry("expert_kind", to_text(n.expert_kind))
      .entry("expert_hidden_dim", n.expert_hidden_dim)
      .entry("num_experts", n.num_experts)
      .entry("top_k", n.top_k)
      .entry("capacity_factor", n.capacity_factor)
      .entry("aux_loss_coefficient", n.aux_loss_coefficient);
}

std::string network_to_yaml(const Network& network) {
  YamlWriter writer;
  writer.begin_map().entry("schema", kSchema);
  write_network(writer, network);
  writer.end();
  return writer.text();
}

std::int64_t attention_parameters(const Network& n) {
  const std::int64_t query_dim = n.heads * n.head_dim;
  const std::int64_t key_value_dim = n.kv_heads * n.head_dim;
  return n.model_dim * (query_dim + 2 * key_value_dim) + query_dim * n.model_dim;
}

std::int64_t replicated_layer_parameters(const Network& n) {
  return 2 * n.model_dim + n.model_dim * n.num_experts;
}

std::int64_t expert_parameters(const Network& n) {
  const std::int64_t matrices = n.expert_kind == ExpertKind::kSwiglu ? 3 : 2;
  return matrices * n.model_dim * n.expert_hidden_dim;
}

namespace {

std::int64_t parameters_with_experts(const Network& n, int experts_per_layer) {
  const std::int64_t layer =
      attention_parameters(n) + replicated_layer_parameters(n) + experts_per_layer * expert_parameters(n);
  const std::int64_t embedding = n.vocabulary * n.model_dim;
  const std::int64_t head = n.model_dim + n.model_dim * n.vocabulary;
  return embedding + n.layers * layer + head;
}

}  // namespace

std::int64_t total_parameters(const Network& network) {
  return parameters_with_experts(network, network.num_experts);
}
std::int64_t active_parameters(const Network& network) {
  return parameters_with_experts(network, network.top_k);
}

}  // namespace sextant
