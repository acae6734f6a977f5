#include "executor/transformer/weights.h"

#include <string>

#include <fmt/format.h>

namespace sextant {
namespace {

// Looks tensors up under a common prefix.
template <typename T>
class Scope {
 public:
  Scope(const ParameterStore<T>& store, std::string prefix) : store_(store), prefix_(std::move(prefix)) {}
  [[nodiscard]] const T* value(const char* name) const { return store_.value(store_.find(prefix_ + name)).data(); }
  [[nodiscard]] T* gradient(const char* name) const { return store_.gradient(store_.find(prefix_ + name)).data(); }

 private:
  const ParameterStore<T>& store_;
  std::string prefix_;
};

template <typename T>
LayerWeights<T> layer_weights(const ParameterStore<T>& store, const Dimensions& dims, int layer, int first_expert) {
  const Scope<T> attention(store, fmt::format("layers.{}.attention.", layer));
  const Scope<T> gate(store, fmt::format("layers.{}.gate.", layer));
  LayerWeights<T> weights{.attention = {attention.value("norm"), attention.value("wq"), attention.value("wk"),
                                        attention.value("wv"), attention.value("wo")},
                          .gate_norm = gate.value("norm"),
                          .gate = gate.value("weight"),
                          .experts = {}};
  for (int e = first_expert; e < first_expert + dims.local_experts; ++e) {
    const Scope<T> expert(store, fmt::format("layers.{}.experts.{}.", layer, e));
    const bool gated = dims.expert.kind == ExpertKind::kSwiglu;
    weights.experts.push_back({expert.value("w1"), gated ? expert.value("w3") : nullptr, expert.value("w2")});
  }
  return weights;
}

template <typename T>
LayerGradients<T> layer_gradients(const ParameterStore<T>& store, const Dimensions& dims, int layer, int first_expert) {
  const Scope<T> attention(store, fmt::format("layers.{}.attention.", layer));
  const Scope<T> gate(store, fmt::format("layers.{}.gate.", layer));
  LayerGradients<T> gradients{
      .attention = {attention.gradient("norm"), attention.gradient("wq"), attention.gradient("wk"),
                    attention.gradient("wv"), attention.gradient("wo")},
      .gate_norm = gate.gradient("norm"),
      .gate = gate.gradient("weight"),
      .experts = {}};
  for (int e = first_expert; e < first_expert + dims.local_experts; ++e) {
    const Scope<T> expert(store, fmt::format("layers.{}.experts.{}.", layer, e));
    const bool gated = dims.expert.kind == ExpertKind::kSwiglu;
    gradients.experts.push_back(
        {expert.gradient("w1"), gated ? expert.gradient("w3") : nullptr, expert.gradient("w2")});
  }
  return gradients;
}

}  // namespace

template <typename T>
Weights<T> bind_weights(const ParameterStore<T>& store, const Dimensions& dims, int first_expert) {
  const Scope<T> root(store, "");
  Weights<T> weights{.embedding = root.value("embedding.table"),
                     .embedding_gradient = root.gradient("embedding.table"),
                     .head = {root.value("head.norm"), root.value("head.out")},
                     .head_gradients = {root.gradient("head.norm"), root.gradient("head.out")},
                     .layers = {},
                     .gradients = {}};
  for (int layer = 0; layer < dims.layers; ++layer) {
    weights.layers.push_back(layer_weights(store, dims, layer, first_expert));
    weights.gradients.push_back(layer_gradients(store, dims, layer, first_expert));
  }
  return weights;
}

template Weights<float> bind_weights(const ParameterStore<float>&, const Dimensions&, int);
template Weights<double> bind_weights(const ParameterStore<double>&, const Dimensions&, int);

}  // namespace sextant
