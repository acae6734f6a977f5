// One expert's feed-forward network on contiguous rows.
//
//   kGelu    y = gelu(x W1) W2
//   kSwiglu  y = (silu(x W1) * (x W3)) W2
// Shapes: R rows, M model_dim, H hidden_dim of this rank's shard (expert_hidden_dim / esp).
// With esp > 1 y and dx are PARTIAL sums, which the caller sums over esp.
#pragma once

#include <cstddef>
#include <cstdint>

#include "executor/layers/store.h"
#include "models/network.h"

namespace sextant {

struct ExpertShape {
  std::int64_t rows;
  std::int64_t model_dim;
  std::int64_t hidden_dim;
  ExpertKind kind;
};

template <typename T>
struct ExpertWeights {
  const T* w1;  // [M, H]
  const T* w3;  // [M, H]; null for kGelu
  const T* w2;  // [H, M]
};

// Same shapes as the weights; stored as `store` says.
template <typename T>
struct ExpertGradients {
  T* w1;
  T* w3;
  T* w2;
  Store store = Store::kAdd;
};

// `saved` and `saved_gate` [R, H] (the latter null for kGelu) live from the forward to the end of the
// backward, row by row: the backward may be called with other ranges of rows than the forward was.
// `workspace` [R, H] is free after the forward, and from the input gradient to the weight gradient it
// holds the activated hidden rows.
template <typename T>
struct ExpertBuffers {
  T* saved;
  T* saved_gate;
  T* workspace;
};

// Elements of T.
[[nodiscard]] std::size_t expert_workspace_size(const ExpertShape& shape);

// x [R, M] -> y [R, M]; saves the pre-activations.
template <typename T>
void expert_forward(const ExpertShape& shape, const ExpertWeights<T>& weights, const T* x, T* y,
                    const ExpertBuffers<T>& buffers);

// First half of the backward: dx [R, M] is replaced. Turns `saved` into the gradients of the
// pre-activations and `workspace` into the activated rows, both kept for the second half.
template <typename T>
void expert_input_gradient(const ExpertShape& shape, const ExpertWeights<T>& weights, const T* dy, T* dx,
                           const ExpertBuffers<T>& buffers);

// Second half, at any later time with the same buffers: stores the weight gradients.
template <typename T>
void expert_weight_gradient(const ExpertShape& shape, const T* x, const T* dy, const ExpertGradients<T>& gradients,
                            const ExpertBuffers<T>& buffers);

// x, dy [R, M]; dx [R, M] is replaced.
template <typename T>
struct ExpertBackwardData {
  const T* x;
  const T* dy;
  T* dx;
};
// Both halves.
template <typename T>
void expert_backward(const ExpertShape& shape, const ExpertWeights<T>& weights, const ExpertBackwardData<T>& data,
                     const ExpertGradients<T>& gradients, const ExpertBuffers<T>& buffers);

}  // namespace sextant
