#include "executor/transformer/forward.h"

#include <algorithm>

#include "executor/layers/attention.h"
#include "executor/layers/embedding.h"
#include "executor/layers/expert.h"
#include "executor/layers/head.h"
#include "executor/layers/rms_norm.h"
#include "executor/layers/route.h"
#include "executor/transformer/expert_chunk.h"
#include "executor/transformer/packing.h"

namespace sextant {

template <typename T>
void ForwardTasks<T>::embedding(const Task& task) {
  if (task.micro_batch == 0) {
    state_.sums = {};
    state_.reduced.data()[TransformerState<T>::kLoss] = 0.0;
  }
  embedding_forward(state_.dims.model_dim(), state_.weights.embedding, state_.inputs(task.micro_batch),
                    state_.activations(task.micro_batch).x.front().data());
}

template <typename T>
void ForwardTasks<T>::attention(const Task& task) {
  const Dimensions& dims = state_.dims;
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  LayerActivations<T>& kept = a.layers[layer];
  const AttentionBuffers<T> buffers{state_.workspace.rotary.data(), kept.attention_saved.data(),
                                    state_.workspace.attention.data()};
  const AttentionWeights<T>& weights = state_.weights.layers[layer].attention;
  if (dims.tp == 1) {
    attention_forward(dims.attention, weights, a.x[layer].data(), a.attended.data(), buffers);
    return;
  }
  const SequenceSlices slices = dims.slices();
  if (slices.batch > 1) slices_to_sequences(slices, a.whole.data(), kept.gathered.data());
  T* out = slices.batch > 1 ? a.whole_ordered.data() : a.whole.data();
  attention_forward(dims.attention, weights, kept.gathered.data(), out, buffers);
  if (slices.batch > 1) sequences_to_slices(slices, a.whole_ordered.data(), a.whole.data());
}

template <typename T>
void ForwardTasks<T>::route(const Task& task) {
  const Dimensions& dims = state_.dims;
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  LayerActivations<T>& kept = a.layers[layer];
  const LayerWeights<T>& weights = state_.weights.layers[layer];
  std::transform(a.x[layer].data(), a.x[layer].data() + dims.token_elements(), a.attended.data(), kept.h.data(),
                 std::plus<>());
  rms_norm_forward<T>({dims.tokens(), dims.model_dim()}, kept.h.data(), weights.gate_norm, kept.normed.data(),
                      kept.inverse_rms.data());
  gate_forward(dims.route, kept.normed.data(), weights.gate, kept.routing);
  state_.sums.dropped += assign_rows(dims.route, state_.source, kept.routing);
  order_forward(state_.row_map(state_.orders[layer].forward, kept), kept.normed.data(),
                forward_exchange(dims, a, task.layer).sent);
  const std::size_t entries = 2 * static_cast<std::size_t>(dims.route.experts);
  const std::span<double> balance = a.balance.span().subspan(layer * entries, entries);
  std::fill(balance.begin(), balance.end(), 0.0);
  add_balance(dims.route, kept.routing, balance);
}

template <typename T>
void ForwardTasks<T>::experts(const Task& task) {
  const Dimensions& dims = state_.dims;
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const ExchangeBuffers<T> exchange = forward_exchange(dims, a, task.layer);
  const auto layer = static_cast<std::size_t>(task.layer);
  for (int e = 0; e < dims.local_experts; ++e) {
    const ExpertChunk<T> chunk(dims, task, e);
    const ExpertBuffers<T> buffers = chunk.buffers(a.layers[layer], state_.workspace);
    T* x = chunk.canonical(a.layers[layer].expert_input.data(), dims.model_dim());
    T* y =
        dims.exchanges() ? state_.workspace.expert_rows_out.data() : chunk.canonical(exchange.result, dims.model_dim());
    if (dims.exchanges()) pack_expert_rows(chunk.rows(), chunk.exchanged(exchange.gathered), x);
    expert_forward(chunk.shape(), state_.weights.layers[layer].experts[static_cast<std::size_t>(e)], x, y, buffers);
    if (dims.exchanges()) unpack_expert_rows(chunk.rows(), y, chunk.exchanged(exchange.partial));
  }
}

template <typename T>
void ForwardTasks<T>::unroute(const Task& task) {
  const auto layer = static_cast<std::size_t>(task.layer);
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const LayerActivations<T>& kept = a.layers[layer];
  inverse_order_forward(state_.row_map(state_.orders[layer].forward, kept), kept.combined.data(), kept.h.data(),
                        a.x[layer + 1].data());
}

template <typename T>
void ForwardTasks<T>::head(const Task& task) {
  MicroBatchActivations<T>& a = state_.activations(task.micro_batch);
  const double loss_scale = 1.0 / (state_.dims.global_tokens * state_.step.num_micro_batches);
  state_.reduced.data()[TransformerState<T>::kLoss] +=
      head_forward(state_.dims.head, state_.weights.head, a.x.back().data(), state_.targets(task.micro_batch),
                   loss_scale, a.head_saved.data());
}

template class ForwardTasks<float>;
template class ForwardTasks<double>;

}  // namespace sextant
