// Time of a training step at scale in closed form, term by term, on a machine known by reference only
// (models/reference.h): what the search over thousands of devices evaluates, and what `validate` scores.
//
// The longest stage's work on one micro-batch is the sum of its layers' terms; a step is the micro-batches' sum, the
// bubble of the pipeline and what of the gradient traffic is not hidden. Formulas: models/README.md, section 8.
#pragma once

#include <array>

#include "models/cluster.h"
#include "models/network.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

enum class StepTerm {
  kProducts,          // projections, feed-forward, experts, router
  kAttention,         // the core: scores, softmax, weighted sum
  kElementwise,       // norms, activations, residuals, permutation of tokens
  kHead,              // logits and loss, a stage's share
  kRecompute,         // forwards run again in the backward
  kTensorParallel,    // all-gather and reduce-scatter around attention and feed-forward
  kContextParallel,   // keys and values passed on, as far as attention does not hide them
  kDispatch,          // all-to-alls of the experts
  kExpertShard,       // all-gather and reduce-scatter over esp
  kPipelineTransfer,  // activations to the next stage
  kBubble,            // the pipeline fills and drains
  kGradients,         // gradient reduction and parameter gathering, as far as nothing hides them
  kUpdate,            // the optimizer
  kOverhead,          // of a step: data, host, start of graphs
};
inline constexpr int kNumStepTerms = 14;
[[nodiscard]] const char* to_text(StepTerm term);

// What holds for training frameworks of today rather than for a machine. Passes are traversals of the named
// tensor through memory, forward; the backward makes twice as many. Chosen once so that the published runs
// (tests/validation/published_runs.csv) have no bias; no network, source or row has its own.
struct FrameworkAssumptions {
  double residual_passes = 19.0;             // [tokens, M]: two norms, residuals, dropout, casts
  double attention_passes = 3.2;             // [tokens, heads * head_dim]: rotary, layout
  double feed_forward_passes = 3.2;          // [tokens, hidden]: activation
  double permute_passes = 8.0;               // [tokens * top_k, M]: order and inverse order
  double probability_passes = 8.0;           // [heads, sequence, sequence], where attention is not fused
  double logit_passes = 6.4;                 // [tokens, vocabulary] in 32 bits
  double unfused_efficiency = 0.8;           // of products inside attention that is not fused
  double ring_attention_efficiency = 0.75;   // of attention cut over cp, to whole attention
  double all_to_all_efficiency_intra = 0.9;  // of the link's bandwidth
  double all_to_all_efficiency_inter = 0.8;
  double exposed_dispatch = 0.6;  // share of de-duplicated dispatch that no other micro-batch hides
  double gradient_link_efficiency = 0.8;
  double exposed_gradients = 0.5;  // share of the gradient traffic that nothing hides (ZeRO 0 to 2)
  double hidden_by_step = 0.4;     // share of the step that parameter gathering can hide under (ZeRO 3)
  double update_bytes = 24.0;      // moved per parameter by the optimizer, at `memory_efficiency`
  Seconds step_overhead{20e-3};
};

struct StepEstimate {
  std::array<Seconds, kNumStepTerms> terms{};
  [[nodiscard]] Seconds operator[](StepTerm term) const { return terms[static_cast<std::size_t>(term)]; }
  [[nodiscard]] Seconds total() const;
  // The term other than products and attention that costs most.
  [[nodiscard]] StepTerm largest_overhead() const;
};

// REQUIRES: cluster.reference; degrees of at least 1 whose products are the same number of ranks.
// `cluster.topology.devices_per_node` says how many consecutive ranks share the faster links.
[[nodiscard]] StepEstimate estimate_step(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                         const FrameworkAssumptions& framework = {});

// Products and attention of forward and backward per token, as the field counts them for MFU: three forwards,
// attention over the whole square (Narayanan et al., 2021), nothing computed again, top_k experts.
[[nodiscard]] Flops model_flops_per_token(const Network& network, std::int64_t sequence);

}  // namespace sextant
