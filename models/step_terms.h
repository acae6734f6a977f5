// The terms that the time of a training step at scale is made of.
#pragma once

#include <array>

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
  kHost,              // the device waits for the host, which starts its kernels one by one
  kOverhead,          // of a step: data, host, start of graphs
};
inline constexpr int kNumStepTerms = 15;
[[nodiscard]] const char* to_text(StepTerm term);

// A time for each term.
using StepTerms = std::array<Seconds, kNumStepTerms>;

inline void add(StepTerms& terms, StepTerm term, Seconds time) {
  terms[static_cast<std::size_t>(term)] += time;
}
// terms += factor * others.
void add(StepTerms& terms, const StepTerms& others, double factor);
[[nodiscard]] Seconds sum(const StepTerms& terms);

}  // namespace sextant
