#include "models/network.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"

namespace sextant {

const char* to_text(ExpertKind kind) {
  return kind == ExpertKind::kGelu ? "gelu" : "swiglu";
}

const char* to_text(QkNorm norm) {
  switch (norm) {
    case QkNorm::kNone:
      return "none";
    case QkNorm::kPerHead:
      return "per_head";
    case QkNorm::kWhole:
      return "whole";
  }
  SEXTANT_CHECK(false, "norm of queries and keys {}", static_cast<int>(norm));
}

std::int64_t expert_capacity(const Network& network, std::int64_t tokens) {
  const double rows = network.top_k * network.capacity_factor * static_cast<double>(tokens) / network.num_experts;
  // 2 * 1.1 * 50 is 110.00000000000001 in doubles: without the tolerance it would become 111 rows.
  constexpr double kRounding = 1e-12;
  return std::min(tokens, static_cast<std::int64_t>(std::ceil(rows * (1.0 - kRounding))));
}

bool is_dense_layer(const Network& network, int layer) {
  return std::binary_search(network.dense.layers.begin(), network.dense.layers.end(), layer);
}

int num_moe_layers(const Network& network) {
  return network.layers - static_cast<int>(network.dense.layers.size());
}

namespace {

std::int64_t when(bool present, std::int64_t parameters) {
  return present ? parameters : 0;
}

std::int64_t norm_parameters(const Network& n) {
  return n.biases.norm ? 2 * n.model_dim : n.model_dim;
}

// Input-side matrices (with the gate two), the output matrix, and a bias for each.
std::int64_t feed_forward_parameters(const Network& n, std::int64_t hidden_dim) {
  const std::int64_t input_matrices = n.expert_kind == ExpertKind::kSwiglu ? 2 : 1;
  const std::int64_t matrices = (input_matrices + 1) * n.model_dim * hidden_dim;
  return matrices + when(n.biases.feed_forward, input_matrices * hidden_dim + n.model_dim);
}

std::int64_t latent_attention_parameters(const Network& n, const MlaShape& mla) {
  const std::int64_t query_dim = n.heads * (mla.qk_nope_head_dim + mla.qk_rope_head_dim);
  const std::int64_t queries = mla.q_lora_rank
                                   ? n.model_dim * *mla.q_lora_rank + *mla.q_lora_rank + *mla.q_lora_rank * query_dim
                                   : n.model_dim * query_dim;
  const std::int64_t keys_values = n.model_dim * (mla.kv_lora_rank + mla.qk_rope_head_dim) + mla.kv_lora_rank +
                                   mla.kv_lora_rank * n.heads * (mla.qk_nope_head_dim + mla.v_head_dim);
  return queries + keys_values + n.heads * mla.v_head_dim * n.model_dim;
}

std::int64_t qk_norm_parameters(const Network& n) {
  switch (n.qk_norm) {
    case QkNorm::kNone:
      return 0;
    case QkNorm::kPerHead:
      return 2 * n.head_dim;
    case QkNorm::kWhole:
      return (n.heads + n.kv_heads) * n.head_dim;
  }
  SEXTANT_CHECK(false, "norm of queries and keys {}", static_cast<int>(n.qk_norm));
}

std::int64_t grouped_attention_parameters(const Network& n) {
  const std::int64_t query_dim = n.heads * n.head_dim;
  const std::int64_t query_key_value_dim = query_dim + std::int64_t{2} * n.kv_heads * n.head_dim;
  return n.model_dim * query_key_value_dim + query_dim * n.model_dim +
         when(n.biases.query_key_value, query_key_value_dim) + qk_norm_parameters(n);
}

}  // namespace

std::int64_t attention_parameters(const Network& n) {
  const std::int64_t projections = n.mla ? latent_attention_parameters(n, *n.mla) : grouped_attention_parameters(n);
  return projections + when(n.biases.attention_output, n.model_dim) + when(n.attention_sinks, n.heads);
}

std::int64_t replicated_layer_parameters(const Network& n) {
  return 2 * norm_parameters(n) + n.model_dim * n.num_experts + when(n.biases.router, n.num_experts);
}

std::int64_t expert_parameters(const Network& n) {
  return feed_forward_parameters(n, n.expert_hidden_dim);
}

std::int64_t shared_expert_parameters(const Network& n) {
  if (!n.shared_experts) return 0;
  const SharedExperts& shared = *n.shared_experts;
  return shared.count * feed_forward_parameters(n, shared.hidden_dim) + when(shared.gate, n.model_dim);
}

std::int64_t dense_layer_parameters(const Network& n) {
  return feed_forward_parameters(n, n.dense.hidden_dim);
}

namespace {

std::int64_t moe_layer_parameters(const Network& n, int experts) {
  return attention_parameters(n) + replicated_layer_parameters(n) + experts * expert_parameters(n) +
         shared_expert_parameters(n);
}

std::int64_t whole_dense_layer_parameters(const Network& n) {
  return attention_parameters(n) + 2 * norm_parameters(n) + dense_layer_parameters(n);
}

std::int64_t parameters_with_experts(const Network& n, int experts_per_layer) {
  const std::int64_t token_table = n.vocabulary * n.model_dim;
  const std::int64_t tables = token_table + n.learned_positions * n.model_dim + when(!n.tied_embeddings, token_table);
  std::int64_t layers = 0;
  if (num_moe_layers(n) > 0) layers += num_moe_layers(n) * moe_layer_parameters(n, experts_per_layer);
  if (!n.dense.layers.empty()) {
    layers += static_cast<std::int64_t>(n.dense.layers.size()) * whole_dense_layer_parameters(n);
  }
  return tables + layers + norm_parameters(n);
}

}  // namespace

std::int64_t mtp_parameters(const Network& n) {
  if (n.mtp_layers == 0) return 0;
  const std::int64_t layer =
      is_dense_layer(n, n.layers - 1) ? whole_dense_layer_parameters(n) : moe_layer_parameters(n, n.num_experts);
  return n.mtp_layers * (layer + 3 * norm_parameters(n) + 2 * n.model_dim * n.model_dim);
}

std::int64_t total_parameters(const Network& network) {
  return parameters_with_experts(network, network.num_experts);
}
std::int64_t active_parameters(const Network& network) {
  return parameters_with_experts(network, network.top_k);
}

}  // namespace sextant
