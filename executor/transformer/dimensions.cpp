#include "executor/transformer/dimensions.h"

namespace sextant {

Dimensions dimensions_of(const StepShape& step, SourcePartition sources) {
  const Network& network = step.network;
  const ParallelDegrees& degrees = step.layout.degrees();
  const std::int64_t tokens = step.tokens_per_rank();
  const int num_sources = sources.dp * sources.tp;
  Dimensions d;
  d.layers = network.layers;
  d.tp = degrees.tp;
  d.ep = degrees.ep;
  d.esp = degrees.esp;
  d.local_experts = step.local_experts();
  d.sequence_slice = step.sequence / degrees.tp;
  d.attention = {.batch = step.micro_batch,
                 .sequence = step.sequence,
                 .model_dim = network.model_dim,
                 .heads = network.heads / degrees.tp,
                 .kv_heads = network.kv_heads / degrees.tp,
                 .head_dim = network.head_dim};
  d.route = {.tokens = tokens,
             .model_dim = network.model_dim,
             .experts = network.num_experts,
             .top_k = network.top_k,
             .capacity = expert_capacity(network, tokens / num_sources),
             .sources = num_sources};
  d.head = {.rows = tokens, .model_dim = network.model_dim, .vocabulary = network.vocabulary};
  d.expert = {.rows = d.route.capacity * d.rows_per_capacity(),
              .model_dim = network.model_dim,
              .hidden_dim = network.expert_hidden_dim / degrees.esp,
              .kind = network.expert_kind};
  d.global_tokens = static_cast<double>(step.micro_batch * step.sequence * degrees.dp);
  return d;
}

}  // namespace sextant
