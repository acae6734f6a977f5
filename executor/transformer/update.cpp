#include "executor/transformer/update.h"

#include <cmath>

#include "executor/layers/adamw.h"

namespace sextant {
namespace {

double clipping_factor(double clip_norm, double norm) {
  return clip_norm > 0.0 && norm > clip_norm ? clip_norm / norm : 1.0;
}

}  // namespace

template <typename T>
void squared_gradient_norm(TransformerState<T>& state) {
  double sum = 0.0;
  for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
    sum += sum_of_squares<T>(state.parameters.gradients(group)) / state.step.layout.group_size(group);
  }
  state.reduced.data()[TransformerState<T>::kSquaredNorm] = sum;
}

template <typename T>
void update_parameters(TransformerState<T>& state) {
  const OptimizerOptions& options = state.optimizer;
  const double norm = std::sqrt(state.reduced.data()[TransformerState<T>::kSquaredNorm]);
  state.sums.learning_rate = learning_rate_at(options, state.num_updates);
  ++state.num_updates;
  const ParameterStore<T>& store = state.parameters;
  for (const Parameter& p : store.parameters()) {
    adamw_update<T>({.learning_rate = state.sums.learning_rate,
                     .beta1 = options.beta1,
                     .beta2 = options.beta2,
                     .epsilon = options.epsilon,
                     .weight_decay = p.decay ? options.weight_decay : 0.0,
                     .gradient_scale = clipping_factor(options.clip_norm, norm),
                     .step = state.num_updates},
                    {store.value(p), store.gradient(p), store.first_moment(p), store.second_moment(p)});
  }
}

template void squared_gradient_norm(TransformerState<float>&);
template void squared_gradient_norm(TransformerState<double>&);
template void update_parameters(TransformerState<float>&);
template void update_parameters(TransformerState<double>&);

}  // namespace sextant
