// How much work every operator and collective of a training step is: what a cost model prices.
//
// Conventions: `elements` are of the training precision (element_bytes); a collective's `buffer` is
// the larger of one rank's send and receive buffers, the size that nccl-tests prints:
//   all_to_all: send buffer   all_gather: output   reduce_scatter: input   all_reduce: the buffer
// (FSMoE's n_a2a, n_ag, n_rs and n of section 3.1 of the paper, in bytes).
#pragma once

#include <cstdint>
#include <variant>

#include "models/layout.h"
#include "models/network.h"
#include "models/units.h"

namespace sextant {

enum class Pass {
  kForward,
  kBackward,
  // The two halves of the backward of kExpert, where a schedule splits it.
  kInputGradient,
  kWeightGradient,
};
inline constexpr int kNumPasses = 4;
[[nodiscard]] const char* to_text(Pass pass);

enum class Operator {
  kEmbedding,     // token table look-up; backward: scatter-add
  kAttention,     // RMSNorm, Q K V projections, rotary, causal attention, output projection, for the heads of one rank
  kRoute,         // residual, RMSNorm, gate logits, softmax top-k, order into the send buffer
  kExpert,        // all local experts on one chunk, packing of the rows included
  kUnroute,       // inverse order with the gate weights, residual
  kHead,          // final RMSNorm, logits, cross-entropy; its forward computes the gradient of the logits too
  kGradientNorm,  // sum of squares of the local gradients
  kOptimizer,     // clipping and AdamW on the local parameters
};
inline constexpr int kNumOperators = 8;
[[nodiscard]] const char* to_text(Operator op);

// Shape of one kernel call on one rank. Unused members are 0, so that equality of everything but
// `rows` means "the same kernel at another size".
struct KernelShape {
  std::int64_t rows = 0;  // tokens; for kExpert rows of EACH local expert; for kGradientNorm and kOptimizer elements
  std::int64_t model_dim = 0;
  std::int64_t hidden_dim = 0;  // kExpert: expert_hidden_dim / esp
  int experts = 0;              // kExpert: local experts; kRoute, kUnroute: all experts
  int top_k = 0;                // kRoute, kUnroute
  int gated = 0;                // kExpert: 1 for SwiGLU
  std::int64_t sequence = 0;    // kAttention
  int heads = 0;                // kAttention: query heads of one rank
  int kv_heads = 0;
  std::int64_t head_dim = 0;
  std::int64_t vocabulary = 0;  // kEmbedding, kHead
  // clang-tidy 14 takes the 0 of a defaulted comparison for a pointer.
  auto operator<=>(const KernelShape&) const = default;  // NOLINT(modernize-use-nullptr)
};

struct KernelWork {
  Operator op = Operator::kExpert;
  Pass pass = Pass::kForward;
  KernelShape shape{};
};

// Floating-point operations and bytes moved to and from memory at least, for the roofline.
struct KernelCounts {
  Flops flops;
  Bytes bytes;
};
// `element_bytes`: 4 for single precision. Multiply-add counts two flops.
[[nodiscard]] KernelCounts count(const KernelWork& work, int element_bytes);

enum class Collective { kAllToAll, kAllGather, kReduceScatter, kAllReduce };
inline constexpr int kNumCollectives = 4;
[[nodiscard]] const char* to_text(Collective op);

struct CollectiveWork {
  Collective op = Collective::kAllToAll;
  GroupShape group{};
  Bytes buffer{};
};

using Work = std::variant<KernelWork, CollectiveWork>;

// One training step of one rank, everything that the sizes of its tasks follow from.
struct StepShape {
  Network network;
  ParallelLayout layout;
  std::int64_t micro_batch = 1;  // samples per data-parallel replica and micro-batch
  int num_micro_batches = 1;     // accumulated before the update
  std::int64_t sequence = 0;     // L; divisible by tp
  int element_bytes = 4;

  [[nodiscard]] std::int64_t global_batch() const { return micro_batch * num_micro_batches * layout.degrees().dp; }
  // Tokens that one rank holds between layers: micro_batch * sequence / (cp * tp).
  [[nodiscard]] std::int64_t tokens_per_rank() const;
  // Rows of one expert that one rank sends: expert_capacity(network, tokens_per_rank()).
  [[nodiscard]] std::int64_t capacity() const;
  [[nodiscard]] int local_experts() const { return network.num_experts / layout.degrees().ep; }
};
// Layers whose data a split expert backward keeps at once.
inline constexpr int kStashedLayers = 2;

// What a schedule may ask for beyond the paper, at the cost of memory (models/memory_model.h).
struct OverlapOptions {
  // The weight gradients of the experts are tasks of their own, which may run as late as the experts of the
  // layer kStashedLayers below.
  bool split_expert_backward = false;
  int micro_batches_in_flight = 1;  // whose activations are held at once
  bool operator==(const OverlapOptions&) const = default;
};

// Throws ConfigError unless: the step model covers the network (models/step_support.h); tp divides heads and
// kv_heads; cp * tp the sequence; ep num_experts; esp expert_hidden_dim; pp layers; micro_batch,
// num_micro_batches and sequence are positive and below 2^20, 2^20 and 2^24 (so that no count here overflows).
// (pp and cp other than 1 are accepted here: the executor says what it can run.)
void validate(const StepShape& step);

// ---- the work of every task of the step; rows are capacity rows of one chunk ----
[[nodiscard]] KernelWork attention_work(const StepShape& step, Pass pass);
[[nodiscard]] KernelWork route_work(const StepShape& step, Pass pass);
[[nodiscard]] KernelWork unroute_work(const StepShape& step, Pass pass);
[[nodiscard]] KernelWork expert_work(const StepShape& step, Pass pass, std::int64_t capacity_rows);
[[nodiscard]] KernelWork embedding_work(const StepShape& step, Pass pass);
[[nodiscard]] KernelWork head_work(const StepShape& step, Pass pass);
[[nodiscard]] KernelWork gradient_norm_work(const StepShape& step);
[[nodiscard]] KernelWork optimizer_work(const StepShape& step);
// Attention all-gather / reduce-scatter over tp of the [micro_batch, sequence, model_dim] activations.
[[nodiscard]] CollectiveWork attention_gather_work(const StepShape& step);
[[nodiscard]] CollectiveWork attention_scatter_work(const StepShape& step);
// n_a2a = E * rows * M, n_ag = n_rs = esp * n_a2a (design section 3; FSMoE spec 2.3 general case).
[[nodiscard]] CollectiveWork dispatch_work(const StepShape& step, std::int64_t capacity_rows);
[[nodiscard]] CollectiveWork expert_gather_work(const StepShape& step, std::int64_t capacity_rows);
[[nodiscard]] CollectiveWork expert_scatter_work(const StepShape& step, std::int64_t capacity_rows);
[[nodiscard]] CollectiveWork combine_work(const StepShape& step, std::int64_t capacity_rows);
[[nodiscard]] CollectiveWork gradient_reduce_work(const StepShape& step, GroupKind group, std::int64_t elements);

// Gradient elements on ONE rank. A unit is what becomes ready at one point of the backward:
// the head (unit 0), layer L-1 (unit 1), ..., layer 0 (unit L), the embedding (unit L+1).
// `group` is the group that reduces them: kDp (attention weights; with tp == 1 also norms, gate, head
// and embedding), kStage (norms, gate, head and embedding when tp > 1), kEdp (experts). 0 for the others.
// L = layers / pp; every stage counts as holding both head and embedding (exact for pp == 1).
[[nodiscard]] std::int64_t gradient_elements(const StepShape& step, GroupKind group, int unit);
[[nodiscard]] int num_gradient_units(const StepShape& step);  // L + 2
// Parameters that one rank holds, all groups.
[[nodiscard]] std::int64_t local_parameters(const StepShape& step);

}  // namespace sextant
