#include "executor/transformer/activations.h"

namespace sextant {
namespace {

template <typename T>
DeviceBuffer<T> make(Device& device, std::int64_t count) {
  return DeviceBuffer<T>(device, count);
}

template <typename T>
DeviceBuffer<T> make_if(bool needed, Device& device, std::int64_t count) {
  return DeviceBuffer<T>(device, needed ? count : 0);
}

// Experts are slabs of the canonical layout, so that any chunk of the capacity is a range of rows.
std::int64_t canonical_elements(const Dimensions& dims, std::int64_t row) {
  return dims.local_experts * dims.expert.rows * row;
}

template <typename T>
Routing<T> view(const RouteShape& shape, std::int32_t* choices, T* values) {
  const std::int64_t count = shape.tokens * shape.top_k;
  return {.expert = choices,
          .loc = choices + count,
          .filled = choices + 2 * count,
          .weight = values,
          .probability = values + 2 * count,
          .weight_gradient = values + count};
}

}  // namespace

template <typename T>
LayerActivations<T>::LayerActivations(Device& device, const Dimensions& dims)
    : gathered(make_if<T>(dims.tp > 1, device, dims.sequence_elements())),
      attention_saved(make<T>(device, static_cast<std::int64_t>(attention_saved_size(dims.attention)))),
      h(make<T>(device, dims.token_elements())),
      inverse_rms(make<T>(device, dims.tokens())),
      normed(make<T>(device, dims.token_elements())),
      choices(
          make<std::int32_t>(device, 2 * dims.tokens() * dims.route.top_k + dims.route.experts * dims.route.sources)),
      gate_values(make<T>(device, dims.tokens() * (2 * dims.route.top_k + dims.route.experts))),
      routing(view(dims.route, choices.data(), gate_values.data())),
      expert_input(make<T>(device, canonical_elements(dims, dims.model_dim()))),
      expert_saved(make<T>(device, canonical_elements(dims, dims.expert.hidden_dim))),
      expert_saved_gate(make_if<T>(dims.expert.kind == ExpertKind::kSwiglu, device,
                                   canonical_elements(dims, dims.expert.hidden_dim))),
      combined(make<T>(device, dims.row_elements())) {}

template <typename T>
WeightGradientStash<T>::WeightGradientStash(Device& device, const Dimensions& dims)
    : output_gradient(make<T>(device, canonical_elements(dims, dims.model_dim()))),
      hidden(make<T>(device, canonical_elements(dims, dims.expert.hidden_dim))) {}

template <typename T>
MicroBatchActivations<T>::MicroBatchActivations(Device& device, const Dimensions& dims, bool splits_expert_backward)
    : head_saved(make<T>(device, static_cast<std::int64_t>(head_saved_size(dims.head)))),
      balance(make<double>(device, std::int64_t{2} * dims.layers * dims.route.experts)),
      attended(make<T>(device, dims.token_elements())),
      whole(make_if<T>(dims.tp > 1, device, dims.sequence_elements())),
      whole_ordered(make_if<T>(dims.tp > 1, device, dims.sequence_elements())),
      sent(make<T>(device, dims.row_elements())),
      exchanged(make<T>(device, dims.row_elements())),
      exchanged_wide(make_if<T>(dims.esp > 1, device, dims.esp * dims.row_elements())),
      residual_gradient(make<T>(device, dims.token_elements())),
      branch_gradient(make<T>(device, dims.token_elements())) {
  for (int i = 0; i <= dims.layers; ++i) x.push_back(make<T>(device, dims.token_elements()));
  for (int i = 0; i < dims.layers; ++i) layers.emplace_back(device, dims);
  for (int i = 0; splits_expert_backward && i < kStashedLayers; ++i) stash.emplace_back(device, dims);
}

template <typename T>
Workspace<T>::Workspace(Device& device, const Dimensions& dims, double rope_theta)
    : rotary(make<T>(device, static_cast<std::int64_t>(rotary_table_size(dims.attention)))),
      attention(make<T>(device, static_cast<std::int64_t>(attention_workspace_size(dims.attention)))),
      expert(make<T>(device, static_cast<std::int64_t>(expert_workspace_size(dims.expert)))),
      expert_rows_in(make_if<T>(dims.exchanges(), device, dims.expert.rows * dims.model_dim())),
      expert_rows_out(make_if<T>(dims.exchanges(), device, dims.expert.rows * dims.model_dim())),
      dlogits(make<T>(device, dims.tokens() * dims.route.experts)),
      normed_gradient(make<T>(device, dims.token_elements())) {
  fill_rotary_table(dims.attention, rope_theta, rotary.data());
}

template <typename T>
ExchangeBuffers<T> forward_exchange(const Dimensions& dims, const MicroBatchActivations<T>& a, int layer) {
  const LayerActivations<T>& kept = a.layers[static_cast<std::size_t>(layer)];
  T* result = kept.combined.data();
  if (!dims.exchanges()) {
    T* input = kept.expert_input.data();
    return {input, input, input, result, result, result};
  }
  T* received = dims.ep > 1 ? a.exchanged.data() : a.sent.data();
  T* gathered = dims.esp > 1 ? a.exchanged_wide.data() : received;
  return {a.sent.data(), received, gathered, gathered, dims.ep > 1 ? received : result, result};
}

template <typename T>
ExchangeBuffers<T> backward_exchange(const Dimensions& dims, const MicroBatchActivations<T>& a) {
  T* sent = a.sent.data();
  if (!dims.exchanges()) {
    T* result = a.exchanged.data();
    return {sent, sent, sent, result, result, result};
  }
  T* received = dims.ep > 1 ? a.exchanged.data() : sent;
  T* gathered = dims.esp > 1 ? a.exchanged_wide.data() : received;
  return {sent, received, gathered, gathered, received, sent};
}

#define SEXTANT_INSTANTIATE(T)                                                                           \
  template struct LayerActivations<T>;                                                                   \
  template struct WeightGradientStash<T>;                                                                \
  template struct MicroBatchActivations<T>;                                                              \
  template struct Workspace<T>;                                                                          \
  template ExchangeBuffers<T> forward_exchange(const Dimensions&, const MicroBatchActivations<T>&, int); \
  template ExchangeBuffers<T> backward_exchange(const Dimensions&, const MicroBatchActivations<T>&)
SEXTANT_INSTANTIATE(float);
SEXTANT_INSTANTIATE(double);
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
