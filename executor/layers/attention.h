// One rank's share of an attention block: RMSNorm, projections, rotary embedding, causal softmax
// attention with grouped KV heads, output projection. No residual connection in here.
//
// Shapes: B batch, L sequence, M model_dim, h heads, g kv_heads (both of this rank), d head_dim.
// Weights are this rank's shards; the output is its PARTIAL sum, which the caller sums over tp.
#pragma once

#include <cstddef>
#include <cstdint>

namespace sextant {

struct AttentionShape {
  std::int64_t batch;
  std::int64_t sequence;
  std::int64_t model_dim;
  std::int64_t heads;     // query heads of this rank
  std::int64_t kv_heads;  // of this rank; divides heads
  std::int64_t head_dim;  // even
  // Keep two numbers per query and head for the backward instead of its probabilities (about L/2),
  // and compute the probabilities again. Slower, but memory grows with L instead of L^2.
  bool recompute = false;
};

template <typename T>
struct AttentionWeights {
  const T* norm;  // [M]
  const T* wq;    // [M, h*d]
  const T* wk;    // [M, g*d]
  const T* wv;    // [M, g*d]
  const T* wo;    // [h*d, M]
};

// Same shapes as the weights; every gradient is added to what is there.
template <typename T>
struct AttentionGradients {
  T* norm;
  T* wq;
  T* wk;
  T* wv;
  T* wo;
};

// Memory the caller lends. `rotary` is filled once and shared by all layers; `saved` lives from a
// forward to its backward; `workspace` may be shared by anything that does not run at the same time.
template <typename T>
struct AttentionBuffers {
  const T* rotary;
  T* saved;
  T* workspace;
};

// Sizes in elements of T.
[[nodiscard]] std::size_t rotary_table_size(const AttentionShape& shape);
[[nodiscard]] std::size_t attention_saved_size(const AttentionShape& shape);
[[nodiscard]] std::size_t attention_workspace_size(const AttentionShape& shape);

// Cosines and sines of position * theta^(-2i/d). Dims i and i + d/2 of a head turn together.
template <typename T>
void fill_rotary_table(const AttentionShape& shape, double theta, T* table);

// x [B, L, M], before the norm -> y [B, L, M], partial.
template <typename T>
void attention_forward(const AttentionShape& shape, const AttentionWeights<T>& weights, const T* x, T* y,
                       const AttentionBuffers<T>& buffers);

// dy [B, L, M], the gradient of the full (summed) output -> dx [B, L, M], partial, replaced.
// The gradient of the norm weight is partial too: it is summed over tp, as dx is.
// dx may be dy. x must be the forward's.
template <typename T>
struct AttentionBackwardData {
  const T* x;
  const T* dy;
  T* dx;
};
template <typename T>
void attention_backward(const AttentionShape& shape, const AttentionWeights<T>& weights,
                        const AttentionBackwardData<T>& data, const AttentionGradients<T>& gradients,
                        const AttentionBuffers<T>& buffers);

}  // namespace sextant
