// Pointers into the flat parameter and gradient buffers, in the structures that the layers take.
#pragma once

#include <vector>

#include "executor/layers/attention.h"
#include "executor/layers/expert.h"
#include "executor/layers/head.h"
#include "executor/parameters.h"
#include "executor/transformer/dimensions.h"

namespace sextant {

template <typename T>
struct LayerWeights {
  AttentionWeights<T> attention;
  const T* gate_norm;
  const T* gate;
  std::vector<ExpertWeights<T>> experts;  // [local_experts]
};

template <typename T>
struct LayerGradients {
  AttentionGradients<T> attention;
  T* gate_norm;
  T* gate;
  std::vector<ExpertGradients<T>> experts;
};

template <typename T>
struct Weights {
  const T* embedding;
  T* embedding_gradient;
  HeadWeights<T> head;
  HeadGradients<T> head_gradients;
  std::vector<LayerWeights<T>> layers;
  std::vector<LayerGradients<T>> gradients;
};

// `first_expert` is the lowest expert of this rank.
template <typename T>
[[nodiscard]] Weights<T> bind_weights(const ParameterStore<T>& store, const Dimensions& dims, int first_expert);

}  // namespace sextant
