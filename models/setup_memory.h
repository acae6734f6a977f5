// Memory that one device needs under a training setup, term by term, on the stage that needs most of it: the first.
//
// Counts of activations: Korthikanti et al., "Reducing Activation Recomputation" (2022), section 4, extended to
// gated feed-forwards, grouped and latent attention and experts. 16-bit activations, 32-bit gradients, AdamW with
// 32-bit master weights and moments.
#pragma once

#include "models/memory_model.h"
#include "models/network.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

struct MemoryAssumptions {
  double parameter_bytes = 2.0;
  double gradient_bytes = 4.0;
  double optimizer_bytes = 12.0;  // master weight and two moments
  double logit_bytes = 8.0;       // 16-bit logits, 32-bit softmax, its gradient in place
  Bytes reserve{3e9};             // context of the device, communicators, libraries
  double fragmentation = 0.03;    // of everything else, lost by the allocator
};

// The same preconditions as estimate_step (models/step_estimate.h).
[[nodiscard]] MemoryBreakdown setup_memory(const Network& network, const TrainingSetup& setup,
                                           const MemoryAssumptions& assumptions = {});

}  // namespace sextant
