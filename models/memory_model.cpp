#include "models/memory_model.h"

#include <algorithm>

#include "models/error.h"

namespace sextant {
namespace {

constexpr double kIndexBytes = 4.0;       // expert and row numbers are 32-bit integers
constexpr double kBalanceBytes = 8.0;     // sums for the auxiliary loss are doubles
constexpr std::int64_t kQueryBlock = 64;  // attention keeps probabilities in blocks of 64 query rows

// Sizes of one rank's share, in elements; doubles, so that no product overflows.
struct Sizes {
  double layers;         // of this rank's stage
  double tokens;         // S, of this rank
  double sequence_rows;  // B * L / cp, what attention sees
  double model_dim;
  double rows;           // E * T, sent by this rank
  double expert_rows;    // of one local expert
  double local_rows;     // of all local experts
  double hidden_dim;     // of one expert shard
  double hidden_copies;  // pre-activations kept: 2 for SwiGLU
  double query_dim;      // of this rank's heads
  double qkv_dim;
};

Sizes sizes_of(const StepShape& step) {
  const Network& n = step.network;
  const ParallelDegrees& d = step.layout.degrees();
  const KernelShape attention = attention_work(step, Pass::kForward).shape;
  const KernelShape expert = expert_work(step, Pass::kForward, step.capacity()).shape;
  const std::int64_t query_dim = attention.heads * attention.head_dim;
  const int layers = n.layers / d.pp;
  return {.layers = static_cast<double>(layers),
          .tokens = static_cast<double>(step.tokens_per_rank()),
          .sequence_rows = static_cast<double>(attention.rows),
          .model_dim = static_cast<double>(n.model_dim),
          .rows = static_cast<double>(n.num_experts) * static_cast<double>(step.capacity()),
          .expert_rows = static_cast<double>(expert.rows),
          .local_rows = static_cast<double>(expert.rows) * expert.experts,
          .hidden_dim = static_cast<double>(expert.hidden_dim),
          .hidden_copies = expert.gated != 0 ? 2.0 : 1.0,
          .query_dim = static_cast<double>(query_dim),
          .qkv_dim = static_cast<double>(query_dim + std::int64_t{2} * attention.kv_heads * attention.head_dim)};
}

// Causal probabilities of one head and sequence: every block keeps the keys up to its last row.
double probabilities_per_head(std::int64_t sequence) {
  const std::int64_t whole_blocks = sequence / kQueryBlock;
  const std::int64_t rest = sequence % kQueryBlock;
  const double in_blocks = static_cast<double>(kQueryBlock * kQueryBlock) * static_cast<double>(whole_blocks) *
                           static_cast<double>(whole_blocks + 1) / 2.0;
  return in_blocks + static_cast<double>(rest) * static_cast<double>(sequence);
}

Bytes elements(const StepShape& step, double count) {
  return Bytes(count * step.element_bytes);
}

// Input of every layer and of the head, and in every layer x + attention, its norm and the norm's
// root mean squares.
Bytes residual_stream(const StepShape& step, const Sizes& s) {
  const double token_elements = s.tokens * s.model_dim;
  return elements(step, (s.layers + 1.0) * token_elements + s.layers * (2.0 * token_elements + s.tokens));
}

// Per layer: the gathered input (tp > 1), its norm and root mean squares, Q K V, context, probabilities.
Bytes attention_activations(const StepShape& step, const Sizes& s) {
  const double gathered = step.layout.degrees().tp > 1 ? s.sequence_rows * s.model_dim : 0.0;
  const double kept = s.sequence_rows * (s.model_dim + 1.0 + s.qkv_dim + s.query_dim);
  const double heads = static_cast<double>(step.network.heads) / step.layout.degrees().tp;
  // A context-parallel rank holds its rows of the square only.
  const double probabilities =
      static_cast<double>(step.micro_batch) * heads * probabilities_per_head(step.sequence) / step.layout.degrees().cp;
  return elements(step, s.layers * (gathered + kept + probabilities));
}

// Per layer: the rows that the local experts received, gathered over esp; the pre-activations; what
// came back from the experts.
Bytes expert_activations(const StepShape& step, const Sizes& s) {
  const double received = s.local_rows * (s.model_dim + s.hidden_copies * s.hidden_dim);
  return elements(step, s.layers * (received + s.rows * s.model_dim));
}

// Per layer: expert and row of each choice, rows filled, weights, their gradients, probabilities, sums
// for the auxiliary loss; once: the gradient of the logits.
Bytes routing(const StepShape& step, const Sizes& s) {
  const double choices = s.tokens * step.network.top_k;
  const double probabilities = s.tokens * step.network.num_experts;
  const Bytes indices((2.0 * choices + step.network.num_experts) * kIndexBytes);
  const Bytes balance(2.0 * step.network.num_experts * kBalanceBytes);
  return s.layers * (indices + balance + elements(step, 2.0 * choices + probabilities)) + elements(step, probabilities);
}

// Rows on their way between ranks: sent, received, gathered over esp; one expert's rows packed.
Bytes chunk_buffers(const StepShape& step, const Sizes& s) {
  const ParallelDegrees& d = step.layout.degrees();
  const double wide = d.esp > 1 ? d.esp * s.rows : 0.0;
  const double packed = d.ep * d.esp > 1 ? 2.0 * s.expert_rows : 0.0;
  return elements(step, (2.0 * s.rows + wide + packed) * s.model_dim);
}

// Attention output and the gradients of the residual stream and its branch; with tp > 1 the whole
// sequence, as the collectives see it and in order.
Bytes activation_buffers(const StepShape& step, const Sizes& s) {
  const double whole = step.layout.degrees().tp > 1 ? 2.0 * s.sequence_rows : 0.0;
  return elements(step, (3.0 * s.tokens + whole) * s.model_dim);
}

// The logits, which become their gradient, and the normed input of the head.
Bytes logits(const StepShape& step, const Sizes& s) {
  return elements(step, s.tokens * (static_cast<double>(step.network.vocabulary) + s.model_dim + 1.0));
}

// Scratch memory of one task at a time: gradients of Q K V and context, one block of scores, hidden
// rows of one expert, gradient of a norm; the rotary table.
Bytes workspace(const StepShape& step, const Sizes& s) {
  const double sequence = static_cast<double>(step.sequence);
  const double scores = static_cast<double>(std::min(kQueryBlock, step.sequence)) * sequence;
  const double attention = s.sequence_rows * (s.qkv_dim + s.query_dim) + scores;
  const double rotary = sequence * static_cast<double>(step.network.head_dim);
  return elements(step, attention + rotary + s.expert_rows * s.hidden_dim + s.tokens * s.model_dim);
}

// A split expert backward keeps the output gradients and the activated hidden rows of some layers.
Bytes weight_gradient_stash(const StepShape& step, const Sizes& s) {
  return elements(step, kStashedLayers * s.local_rows * (s.model_dim + s.hidden_dim));
}

}  // namespace

Bytes MemoryBreakdown::total() const {
  Bytes sum;
  for (const MemoryTerm& term : terms) sum += term.bytes;
  return sum;
}

const MemoryTerm& MemoryBreakdown::largest() const {
  SEXTANT_CHECK(!terms.empty(), "a memory breakdown without terms");
  return *std::max_element(terms.begin(), terms.end(),
                           [](const MemoryTerm& a, const MemoryTerm& b) { return a.bytes < b.bytes; });
}

MemoryBreakdown training_memory(const StepShape& step, const OverlapOptions& overlap) {
  const Sizes sizes = sizes_of(step);
  const Bytes parameters = elements(step, static_cast<double>(local_parameters(step)));
  const double in_flight = overlap.micro_batches_in_flight;
  const Bytes stash = overlap.split_expert_backward ? weight_gradient_stash(step, sizes) : Bytes(0.0);
  return {{{"parameters", parameters},
           {"gradients", parameters},
           {"optimizer state", 2.0 * parameters},
           {"residual stream", in_flight * residual_stream(step, sizes)},
           {"attention activations", in_flight * attention_activations(step, sizes)},
           {"expert activations", in_flight * expert_activations(step, sizes)},
           {"routing", in_flight * routing(step, sizes)},
           {"chunk buffers", in_flight * chunk_buffers(step, sizes)},
           {"activation buffers", in_flight * activation_buffers(step, sizes)},
           {"logits", in_flight * logits(step, sizes)},
           {"workspace", workspace(step, sizes)},
           {"weight gradient stash", in_flight * stash}}};
}

}  // namespace sextant
