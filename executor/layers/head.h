// The end of the network: final RMSNorm, logits, softmax cross-entropy.
//
// Shapes: R rows (tokens), M model_dim, V vocabulary.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace sextant {

struct HeadShape {
  std::int64_t rows;
  std::int64_t model_dim;
  std::int64_t vocabulary;
};

template <typename T>
struct HeadWeights {
  const T* norm;  // [M]
  const T* out;   // [M, V]
};

// Same shapes as the weights; added to what is there.
template <typename T>
struct HeadGradients {
  T* norm;
  T* out;
};

// In elements of T; `saved` lives from the forward to the backward.
[[nodiscard]] std::size_t head_saved_size(const HeadShape& shape);

// x [R, M], targets [R], each < V. Returns the sum over rows of -ln softmax(logits)[target] and saves
// the gradient of `loss_scale` times that sum with respect to the logits.
template <typename T>
[[nodiscard]] double head_forward(const HeadShape& shape, const HeadWeights<T>& weights, const T* x,
                                  std::span<const std::int32_t> targets, double loss_scale, T* saved);

// dx [R, M] is replaced; x must be the forward's.
template <typename T>
void head_backward(const HeadShape& shape, const HeadWeights<T>& weights, const T* x, T* dx,
                   const HeadGradients<T>& gradients, T* saved);

// logits [R, V] become loss_scale * (softmax(logits) - onehot(target)); returns the sum of the losses.
template <typename T>
[[nodiscard]] double cross_entropy_in_place(std::int64_t vocabulary, std::span<const std::int32_t> targets,
                                            double loss_scale, T* logits);

}  // namespace sextant
