#include "models/work.h"

#include "models/error.h"
#include "models/step_support.h"

namespace sextant {
namespace {

constexpr double kMultiplyAdd = 2.0;        // flops of one multiply-add
constexpr double kBackwardProducts = 2.0;   // each product C = A B has two gradients, dA and dB, of the same size
constexpr double kGradientNormFlops = 2.0;  // per element: square, add
constexpr double kOptimizerFlops = 16.0;    // per element: clip 1, moments 3 + 4, step and root 4, decay and update 4
constexpr double kOptimizerAccesses = 7.0;  // reads parameter, gradient, two moments; writes all but the gradient
constexpr double kIndexBytes = 4.0;         // a token index is a 32-bit integer

// Elements of weights and activations that one forward of an operator touches, and its flops.
struct ForwardCounts {
  double products_flops = 0.0;
  double weights = 0.0;
  double activations = 0.0;
};

ForwardCounts attention_counts(const KernelShape& s) {
  const double tokens = static_cast<double>(s.rows);
  const double model_dim = static_cast<double>(s.model_dim);
  const double query_dim = static_cast<double>(s.heads * s.head_dim);
  const double key_value_dim = static_cast<double>(s.kv_heads * s.head_dim);
  const double weights = model_dim * (query_dim + 2.0 * key_value_dim) + query_dim * model_dim;
  // A token attends to itself and all before it: (sequence + 1) / 2 positions on average, in two
  // products (scores and weighted values) over query_dim.
  const double causal_positions = static_cast<double>(s.sequence + 1) / 2.0;
  const double causal_products = 2.0 * tokens * causal_positions * query_dim;
  // Input, Q K V, context, output; scores may stay in cache.
  const double activations = tokens * (model_dim + query_dim + 2.0 * key_value_dim + query_dim + model_dim);
  return {.products_flops = kMultiplyAdd * (tokens * weights + causal_products),
          .weights = weights,
          .activations = activations};
}

ForwardCounts route_counts(const KernelShape& s) {
  const double tokens = static_cast<double>(s.rows);
  const double model_dim = static_cast<double>(s.model_dim);
  const double weights = model_dim * s.experts;
  // Input and residual in, their sum and its norm out, logits, top_k copies into the send buffer.
  return {.products_flops = kMultiplyAdd * tokens * weights,
          .weights = weights,
          .activations = tokens * (model_dim * (4.0 + s.top_k) + s.experts)};
}

ForwardCounts unroute_counts(const KernelShape& s) {
  const double token_elements = static_cast<double>(s.rows) * static_cast<double>(s.model_dim);
  // top_k rows and the residual in, one row out.
  return {.products_flops = kMultiplyAdd * s.top_k * token_elements,
          .weights = 0.0,
          .activations = token_elements * (s.top_k + 2.0)};
}

ForwardCounts expert_counts(const KernelShape& s) {
  const double rows = static_cast<double>(s.rows) * s.experts;
  const double model_dim = static_cast<double>(s.model_dim);
  const double hidden_dim = static_cast<double>(s.hidden_dim);
  const double matrices = s.gated != 0 ? 3.0 : 2.0;
  // Rows in, packed and out; the output of each input-side matrix and the activated hidden rows.
  return {.products_flops = kMultiplyAdd * rows * model_dim * hidden_dim * matrices,
          .weights = s.experts * model_dim * hidden_dim * matrices,
          .activations = rows * (3.0 * model_dim + matrices * hidden_dim)};
}

ForwardCounts head_counts(const KernelShape& s) {
  const double tokens = static_cast<double>(s.rows);
  const double model_dim = static_cast<double>(s.model_dim);
  const double vocabulary = static_cast<double>(s.vocabulary);
  // Input and its norm; logits written, then overwritten by their gradient.
  return {.products_flops = kMultiplyAdd * tokens * model_dim * vocabulary,
          .weights = model_dim * vocabulary,
          .activations = tokens * (2.0 * model_dim + 2.0 * vocabulary)};
}

// One product for each of the forward. The input gradient reads the weights and writes the gradient of
// every activation; the weight gradient reads both once more and adds to the weights' gradients.
KernelCounts half_of_backward(const ForwardCounts& forward, Pass pass, double element_bytes) {
  const double weights = forward.weights * (pass == Pass::kInputGradient ? 1.0 : 2.0);
  return {.flops = Flops(forward.products_flops * kBackwardProducts / 2.0),
          .bytes = Bytes((weights + 2.0 * forward.activations) * element_bytes)};
}

// Backward: two products for each of the forward; weights read once, their gradients read and
// written; every activation read once more and its gradient written.
KernelCounts counts_of_pass(const ForwardCounts& forward, Pass pass, double element_bytes) {
  if (pass == Pass::kInputGradient || pass == Pass::kWeightGradient)
    return half_of_backward(forward, pass, element_bytes);
  const bool is_backward = pass == Pass::kBackward;
  const double flops = forward.products_flops * (is_backward ? kBackwardProducts : 1.0);
  const double elements = forward.weights * (is_backward ? 3.0 : 1.0) + forward.activations * (is_backward ? 2.0 : 1.0);
  return {.flops = Flops(flops), .bytes = Bytes(elements * element_bytes)};
}

// Forward: one table row read and one written per token. Backward: the gradient row read, the table's
// gradient row read and written, one addition per element.
KernelCounts embedding_counts(const KernelShape& s, Pass pass, double element_bytes) {
  const double tokens = static_cast<double>(s.rows);
  const double elements = tokens * static_cast<double>(s.model_dim);
  const bool is_backward = pass == Pass::kBackward;
  return {.flops = Flops(is_backward ? elements : 0.0),
          .bytes = Bytes(elements * (is_backward ? 3.0 : 2.0) * element_bytes + tokens * kIndexBytes)};
}

}  // namespace

const char* to_text(Pass pass) {
  switch (pass) {
    case Pass::kForward:
      return "forward";
    case Pass::kBackward:
      return "backward";
    case Pass::kInputGradient:
      return "input_gradient";
    case Pass::kWeightGradient:
      return "weight_gradient";
  }
  SEXTANT_CHECK(false, "pass {}", static_cast<int>(pass));
}

const char* to_text(Operator op) {
  switch (op) {
    case Operator::kEmbedding:
      return "embedding";
    case Operator::kAttention:
      return "attention";
    case Operator::kRoute:
      return "route";
    case Operator::kExpert:
      return "expert";
    case Operator::kUnroute:
      return "unroute";
    case Operator::kHead:
      return "head";
    case Operator::kGradientNorm:
      return "gradient_norm";
    case Operator::kOptimizer:
      return "optimizer";
  }
  SEXTANT_CHECK(false, "operator {}", static_cast<int>(op));
}

const char* to_text(Collective op) {
  switch (op) {
    case Collective::kAllToAll:
      return "all_to_all";
    case Collective::kAllGather:
      return "all_gather";
    case Collective::kReduceScatter:
      return "reduce_scatter";
    case Collective::kAllReduce:
      return "all_reduce";
  }
  SEXTANT_CHECK(false, "collective {}", static_cast<int>(op));
}

KernelCounts count(const KernelWork& work, int element_bytes) {
  const KernelShape& s = work.shape;
  const double elements = static_cast<double>(s.rows);
  switch (work.op) {
    case Operator::kEmbedding:
      return embedding_counts(s, work.pass, element_bytes);
    case Operator::kAttention:
      return counts_of_pass(attention_counts(s), work.pass, element_bytes);
    case Operator::kRoute:
      return counts_of_pass(route_counts(s), work.pass, element_bytes);
    case Operator::kExpert:
      return counts_of_pass(expert_counts(s), work.pass, element_bytes);
    case Operator::kUnroute:
      return counts_of_pass(unroute_counts(s), work.pass, element_bytes);
    case Operator::kHead:
      return counts_of_pass(head_counts(s), work.pass, element_bytes);
    case Operator::kGradientNorm:
      return {.flops = Flops(kGradientNormFlops * elements), .bytes = Bytes(elements * element_bytes)};
    case Operator::kOptimizer:
      return {.flops = Flops(kOptimizerFlops * elements),
              .bytes = Bytes(kOptimizerAccesses * elements * element_bytes)};
  }
  SEXTANT_CHECK(false, "operator {}", static_cast<int>(work.op));
}

// ---- sizes of a step ----

std::int64_t StepShape::tokens_per_rank() const {
  return micro_batch * sequence / (std::int64_t{layout.degrees().cp} * layout.degrees().tp);
}

std::int64_t StepShape::capacity() const {
  return expert_capacity(network, tokens_per_rank());
}

namespace {

void require_divides(const char* divisor_name, std::int64_t divisor, const char* name, std::int64_t value) {
  if (value % divisor == 0) return;
  throw ConfigError(fmt::format("{} {} does not divide {} {}", divisor_name, divisor, name, value));
}

void require_in_range(const char* name, std::int64_t value, std::int64_t max) {
  if (value >= 1 && value <= max) return;
  throw ConfigError(fmt::format("{} is {}; allowed: 1 to {}", name, value, max));
}

}  // namespace

void validate(const StepShape& step) {
  if (const std::optional<std::string> reason = unsupported_by_step_model(step.network)) throw ConfigError(*reason);
  require_in_range("micro_batch", step.micro_batch, std::int64_t{1} << 20);
  require_in_range("num_micro_batches", step.num_micro_batches, std::int64_t{1} << 20);
  require_in_range("sequence", step.sequence, std::int64_t{1} << 24);
  require_in_range("element_bytes", step.element_bytes, 8);
  const ParallelDegrees& d = step.layout.degrees();
  const Network& n = step.network;
  require_divides("pp", d.pp, "layers", n.layers);
  require_divides("tp", d.tp, "heads", n.heads);
  require_divides("tp", d.tp, "kv_heads", n.kv_heads);
  require_divides(d.cp == 1 ? "tp" : "cp * tp", std::int64_t{d.cp} * d.tp, "sequence", step.sequence);
  require_divides("ep", d.ep, "num_experts", n.num_experts);
  require_divides("esp", d.esp, "expert_hidden_dim", n.expert_hidden_dim);
}

// ---- kernels ----

KernelWork attention_work(const StepShape& step, Pass pass) {
  const Network& n = step.network;
  const ParallelDegrees& d = step.layout.degrees();
  return {.op = Operator::kAttention,
          .pass = pass,
          .shape = {.rows = step.micro_batch * step.sequence / d.cp,
                    .model_dim = n.model_dim,
                    .sequence = step.sequence,
                    .heads = n.heads / d.tp,
                    .kv_heads = n.kv_heads / d.tp,
                    .head_dim = n.head_dim}};
}

namespace {

KernelWork routing_work(const StepShape& step, Operator op, Pass pass) {
  return {.op = op,
          .pass = pass,
          .shape = {.rows = step.tokens_per_rank(),
                    .model_dim = step.network.model_dim,
                    .experts = step.network.num_experts,
                    .top_k = step.network.top_k}};
}

KernelWork vocabulary_work(const StepShape& step, Operator op, Pass pass) {
  return {
      .op = op,
      .pass = pass,
      .shape = {
          .rows = step.tokens_per_rank(), .model_dim = step.network.model_dim, .vocabulary = step.network.vocabulary}};
}

}  // namespace

KernelWork route_work(const StepShape& step, Pass pass) {
  return routing_work(step, Operator::kRoute, pass);
}
KernelWork unroute_work(const StepShape& step, Pass pass) {
  return routing_work(step, Operator::kUnroute, pass);
}
KernelWork embedding_work(const StepShape& step, Pass pass) {
  return vocabulary_work(step, Operator::kEmbedding, pass);
}
KernelWork head_work(const StepShape& step, Pass pass) {
  return vocabulary_work(step, Operator::kHead, pass);
}

KernelWork expert_work(const StepShape& step, Pass pass, std::int64_t capacity_rows) {
  const Network& n = step.network;
  const ParallelDegrees& d = step.layout.degrees();
  // Every local expert gets capacity_rows from each of the ep * esp ranks that it serves.
  return {.op = Operator::kExpert,
          .pass = pass,
          .shape = {.rows = capacity_rows * d.ep * d.esp,
                    .model_dim = n.model_dim,
                    .hidden_dim = n.expert_hidden_dim / d.esp,
                    .experts = step.local_experts(),
                    .gated = n.expert_kind == ExpertKind::kSwiglu ? 1 : 0}};
}

KernelWork gradient_norm_work(const StepShape& step) {
  return {.op = Operator::kGradientNorm, .pass = Pass::kForward, .shape = {.rows = local_parameters(step)}};
}

KernelWork optimizer_work(const StepShape& step) {
  return {.op = Operator::kOptimizer, .pass = Pass::kForward, .shape = {.rows = local_parameters(step)}};
}

// ---- collectives ----

namespace {

CollectiveWork collective(const StepShape& step, Collective op, GroupKind group, double elements) {
  return {.op = op, .group = step.layout.group_shape(group), .buffer = Bytes(elements * step.element_bytes)};
}

double attention_elements(const StepShape& step) {
  const std::int64_t tokens = step.micro_batch * step.sequence / step.layout.degrees().cp;
  return static_cast<double>(tokens) * static_cast<double>(step.network.model_dim);
}

// What one rank sends to the experts: capacity_rows for each.
double dispatched_elements(const StepShape& step, std::int64_t capacity_rows) {
  return static_cast<double>(step.network.num_experts) * static_cast<double>(capacity_rows) *
         static_cast<double>(step.network.model_dim);
}

double gathered_elements(const StepShape& step, std::int64_t capacity_rows) {
  return step.layout.degrees().esp * dispatched_elements(step, capacity_rows);
}

}  // namespace

CollectiveWork attention_gather_work(const StepShape& step) {
  return collective(step, Collective::kAllGather, GroupKind::kTp, attention_elements(step));
}
CollectiveWork attention_scatter_work(const StepShape& step) {
  return collective(step, Collective::kReduceScatter, GroupKind::kTp, attention_elements(step));
}
CollectiveWork dispatch_work(const StepShape& step, std::int64_t capacity_rows) {
  return collective(step, Collective::kAllToAll, GroupKind::kEp, dispatched_elements(step, capacity_rows));
}
CollectiveWork expert_gather_work(const StepShape& step, std::int64_t capacity_rows) {
  return collective(step, Collective::kAllGather, GroupKind::kEsp, gathered_elements(step, capacity_rows));
}
CollectiveWork expert_scatter_work(const StepShape& step, std::int64_t capacity_rows) {
  return collective(step, Collective::kReduceScatter, GroupKind::kEsp, gathered_elements(step, capacity_rows));
}
CollectiveWork combine_work(const StepShape& step, std::int64_t capacity_rows) {
  return collective(step, Collective::kAllToAll, GroupKind::kEp, dispatched_elements(step, capacity_rows));
}
CollectiveWork gradient_reduce_work(const StepShape& step, GroupKind group, std::int64_t elements) {
  return collective(step, Collective::kAllReduce, group, static_cast<double>(elements));
}

// ---- gradients ----

namespace {

// Dense parameters of a unit that tensor parallelism cuts (attention) and those it copies (the rest).
struct DenseElements {
  std::int64_t sharded = 0;
  std::int64_t replicated = 0;
};

DenseElements dense_elements(const StepShape& step, int unit) {
  const Network& n = step.network;
  const std::int64_t vocabulary_matrix = n.vocabulary * n.model_dim;
  if (unit == 0) return {.replicated = n.model_dim + vocabulary_matrix};  // final norm, output matrix
  if (unit == num_gradient_units(step) - 1) return {.replicated = vocabulary_matrix};
  return {.sharded = attention_parameters(n) / step.layout.degrees().tp, .replicated = replicated_layer_parameters(n)};
}

}  // namespace

int num_gradient_units(const StepShape& step) {
  return step.network.layers / step.layout.degrees().pp + 2;
}

std::int64_t gradient_elements(const StepShape& step, GroupKind group, int unit) {
  SEXTANT_CHECK(unit >= 0 && unit < num_gradient_units(step), "gradient unit {} of {}", unit, num_gradient_units(step));
  const DenseElements dense = dense_elements(step, unit);
  const bool is_replicated_over_stage = step.layout.degrees().tp > 1;
  const bool is_layer = unit > 0 && unit + 1 < num_gradient_units(step);
  switch (group) {
    case GroupKind::kDp:
      return dense.sharded + (is_replicated_over_stage ? 0 : dense.replicated);
    case GroupKind::kStage:
      return is_replicated_over_stage ? dense.replicated : 0;
    case GroupKind::kEdp:
      return is_layer ? step.local_experts() * expert_parameters(step.network) / step.layout.degrees().esp : 0;
    case GroupKind::kTp:
    case GroupKind::kEp:
    case GroupKind::kEsp:
      return 0;
  }
  SEXTANT_CHECK(false, "group kind {}", static_cast<int>(group));
}

std::int64_t local_parameters(const StepShape& step) {
  std::int64_t total = 0;
  for (int unit = 0; unit < num_gradient_units(step); ++unit) {
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      total += gradient_elements(step, group, unit);
    }
  }
  return total;
}

}  // namespace sextant
