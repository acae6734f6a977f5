#include "models/step_terms.h"

namespace sextant {

const char* to_text(StepTerm term) {
  constexpr std::array<const char*, kNumStepTerms> kNames = {
      "products",        "attention",        "elementwise", "head",         "recompute",
      "tensor_parallel", "context_parallel", "dispatch",    "expert_shard", "pipeline_transfer",
      "bubble",          "gradients",        "update",      "host",         "overhead"};
  return kNames[static_cast<std::size_t>(term)];
}

void add(StepTerms& terms, const StepTerms& others, double factor) {
  for (std::size_t t = 0; t < terms.size(); ++t) terms[t] += factor * others[t];
}

Seconds sum(const StepTerms& terms) {
  Seconds total;
  for (const Seconds time : terms) total += time;
  return total;
}

}  // namespace sextant
