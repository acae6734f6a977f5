// The end of a step: norm of the gradient, clipping, AdamW.
#pragma once

#include "executor/transformer/state.h"

namespace sextant {

// Writes this rank's share of the squared norm of the whole gradient: what r ranks hold alike counts 1/r.
template <typename T>
void squared_gradient_norm(TransformerState<T>& state);

// Clips by the reduced norm, updates every parameter, counts the update.
template <typename T>
void update_parameters(TransformerState<T>& state);

}  // namespace sextant
