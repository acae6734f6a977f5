#include "executor/transformer/backward.h"

#include <algorithm>
#include <functional>
#include <variant>
#include <vector>

#include "executor/layers/attention.h"
#include "executor/layers/embedding.h"
#include "executor/layers/expert.h"
#include "executor/layers/head.h"
#include "executor/layers/rms_norm.h"
#include "executor/layers/route.h"
#include "executor/transformer/expert_chunk.h"
#include "executor/transformer/packing.h"

namespace sextant {
namespace {

template <typename T>
void add_to(const DeviceBuffer<T>& sum, const DeviceBuffer<T>& term) {
  std::transform(sum.data(), sum.data() + sum.size(), term.data(), sum.data(), std::plus<>());
}

}  // namespace

template <typename T>
void BackwardTasks<T>::begin_unit(const Task& task, int unit) {
  if (task.micro_batch == 0) state_.parameters.zero_dense_gradients(unit);
}

template <typename T>
void BackwardTasks<T>::head(const Task& task) {
  begin_unit(task, 0);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  head_backward(state_.dims.head, state_.weights.head, a.x.back().data(), a.residual_gradient.data(),
                state_.weights.head_gradients, a.head_saved.data());
}

template <typename T>
void BackwardTasks<T>::unroute(const Task& task) {
  const Dimensions& dims = state_.dims;
  begin_unit(task, dims.layers - task.layer);
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  LayerActivations<T>& kept = a.layers[layer];
  if (task.layer + 1 < dims.layers) add_to(a.residual_gradient, a.branch_gradient);
  const LayerOrder& order = state_.orders[layer];
  inverse_order_backward(state_.row_map(order.backward, kept), {.dy = a.residual_gradient.data(),
                                                                .rows = kept.combined.data(),
                                                                .forward_layout = order.forward,
                                                                .drows = backward_exchange(dims, a).sent});
}

template <typename T>
ExpertGradients<T> BackwardTasks<T>::expert_gradients(const Task& task, std::size_t expert) const {
  ExpertGradients<T> gradients = state_.weights.gradients[static_cast<std::size_t>(task.layer)].experts[expert];
  gradients.store = task.micro_batch == 0 && task.chunk == 0 ? Store::kReplace : Store::kAdd;
  return gradients;
}

template <typename T>
void BackwardTasks<T>::experts(const Task& task) {
  if (std::get<KernelWork>(task.work).pass == Pass::kInputGradient) return expert_input_gradients(task);
  const Dimensions& dims = state_.dims;
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const ExchangeBuffers<T> exchange = backward_exchange(dims, a);
  const auto layer = static_cast<std::size_t>(task.layer);
  for (int e = 0; e < dims.local_experts; ++e) {
    const ExpertChunk<T> chunk(dims, task, e);
    const auto expert = static_cast<std::size_t>(e);
    T* dy =
        dims.exchanges() ? state_.workspace.expert_rows_in.data() : chunk.canonical(exchange.sent, dims.model_dim());
    T* dx =
        dims.exchanges() ? state_.workspace.expert_rows_out.data() : chunk.canonical(exchange.result, dims.model_dim());
    if (dims.exchanges()) pack_expert_rows(chunk.rows(), chunk.exchanged(exchange.gathered), dy);
    expert_backward(chunk.shape(), state_.weights.layers[layer].experts[expert],
                    {.x = chunk.canonical(a.layers[layer].expert_input.data(), dims.model_dim()), .dy = dy, .dx = dx},
                    expert_gradients(task, expert), chunk.buffers(a.layers[layer], state_.workspace));
    if (dims.exchanges()) unpack_expert_rows(chunk.rows(), dx, chunk.exchanged(exchange.partial));
  }
}

template <typename T>
void BackwardTasks<T>::expert_input_gradients(const Task& task) {
  const Dimensions& dims = state_.dims;
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const ExchangeBuffers<T> exchange = backward_exchange(dims, a);
  const auto layer = static_cast<std::size_t>(task.layer);
  const WeightGradientStash<T>& stash = a.stash_of(task.layer);
  for (int e = 0; e < dims.local_experts; ++e) {
    const ExpertChunk<T> chunk(dims, task, e);
    T* dy = chunk.canonical(stash.output_gradient.data(), dims.model_dim());
    T* dx =
        dims.exchanges() ? state_.workspace.expert_rows_out.data() : chunk.canonical(exchange.result, dims.model_dim());
    if (dims.exchanges()) {
      pack_expert_rows(chunk.rows(), chunk.exchanged(exchange.gathered), dy);
    } else {
      std::copy_n(chunk.canonical(exchange.sent, dims.model_dim()), chunk.shape().rows * dims.model_dim(), dy);
    }
    expert_input_gradient<T>(chunk.shape(), state_.weights.layers[layer].experts[static_cast<std::size_t>(e)], dy, dx,
                             chunk.buffers(a.layers[layer], stash));
    if (dims.exchanges()) unpack_expert_rows(chunk.rows(), dx, chunk.exchanged(exchange.partial));
  }
}

template <typename T>
void BackwardTasks<T>::expert_weights(const Task& task) {
  const Dimensions& dims = state_.dims;
  const MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const LayerActivations<T>& kept = a.layers[static_cast<std::size_t>(task.layer)];
  const WeightGradientStash<T>& stash = a.stash_of(task.layer);
  for (int e = 0; e < dims.local_experts; ++e) {
    const ExpertChunk<T> chunk(dims, task, e);
    expert_weight_gradient<T>(chunk.shape(), chunk.canonical(kept.expert_input.data(), dims.model_dim()),
                              chunk.canonical(stash.output_gradient.data(), dims.model_dim()),
                              expert_gradients(task, static_cast<std::size_t>(e)), chunk.buffers(kept, stash));
  }
}

template <typename T>
std::vector<double> BackwardTasks<T>::auxiliary_loss(const Task& task) {
  const double coefficient = state_.step.network.aux_loss_coefficient;
  if (coefficient == 0.0) return {};
  const auto experts = static_cast<std::size_t>(state_.dims.route.experts);
  const std::span<const double> balance =
      state_.activations(task.micro_batch).balance.span().subspan(static_cast<std::size_t>(task.layer) * 2 * experts);
  const double num_experts = static_cast<double>(experts);
  const double tokens = state_.dims.global_tokens;
  std::vector<double> gradient(experts);
  for (std::size_t e = 0; e < experts; ++e) {
    const double first_choice_fraction = balance[e] / tokens;
    const double mean_probability = balance[experts + e] / tokens;
    state_.sums.auxiliary_loss += num_experts * mean_probability * first_choice_fraction;
    gradient[e] = coefficient / state_.step.num_micro_batches * num_experts * first_choice_fraction / tokens;
  }
  return gradient;
}

template <typename T>
void BackwardTasks<T>::route(const Task& task) {
  const Dimensions& dims = state_.dims;
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  LayerActivations<T>& kept = a.layers[layer];
  const LayerWeights<T>& weights = state_.weights.layers[layer];
  const LayerGradients<T>& gradients = state_.weights.gradients[layer];
  const std::vector<double> probability_gradient = auxiliary_loss(task);
  T* dnormed = state_.workspace.normed_gradient.data();
  gate_backward<T>(dims.route, kept.routing,
                   {.x = kept.normed.data(),
                    .wg = weights.gate,
                    .probability_gradient = probability_gradient,
                    .dlogits = state_.workspace.dlogits.data(),
                    .dx = dnormed,
                    .dwg = gradients.gate});
  order_backward<T>(state_.row_map(state_.orders[layer].backward, kept), backward_exchange(dims, a).result, dnormed);
  rms_norm_backward<T>({dims.tokens(), dims.model_dim()}, {kept.h.data(), weights.gate_norm, kept.inverse_rms.data()},
                       dnormed, a.residual_gradient.data(), Store::kAdd, gradients.gate_norm);
}

template <typename T>
void BackwardTasks<T>::attention(const Task& task) {
  const Dimensions& dims = state_.dims;
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  LayerActivations<T>& kept = a.layers[layer];
  const AttentionBuffers<T> buffers{state_.workspace.rotary.data(), kept.attention_saved.data(),
                                    state_.workspace.attention.data()};
  const auto run = [&](const AttentionBackwardData<T>& data) {
    attention_backward(dims.attention, state_.weights.layers[layer].attention, data,
                       state_.weights.gradients[layer].attention, buffers);
  };
  if (dims.tp == 1) {
    run({.x = a.x[layer].data(), .dy = a.residual_gradient.data(), .dx = a.branch_gradient.data()});
    return;
  }
  const SequenceSlices slices = dims.slices();
  T* whole = slices.batch > 1 ? a.whole_ordered.data() : a.whole.data();
  if (slices.batch > 1) slices_to_sequences(slices, a.whole.data(), whole);
  run({.x = kept.gathered.data(), .dy = whole, .dx = whole});
  if (slices.batch > 1) sequences_to_slices(slices, whole, a.whole.data());
}

template <typename T>
void BackwardTasks<T>::embedding(const Task& task) {
  begin_unit(task, state_.dims.layers + 1);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  add_to(a.residual_gradient, a.branch_gradient);
  embedding_backward<T>(state_.dims.model_dim(), a.residual_gradient.data(), state_.inputs(task.micro_batch),
                        state_.weights.embedding_gradient);
}

template class BackwardTasks<float>;
template class BackwardTasks<double>;

}  // namespace sextant
