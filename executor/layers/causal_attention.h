// Attention proper: from queries, keys and values to the context, for attention.cpp alone.
//
// A row of `qkv` holds the queries of all heads, then the keys, then the values of all KV heads:
// [B L, (h + 2 g) d]. `saved` lives from the forward to the backward. Letters: attention.h.
#pragma once

#include <cstddef>

#include "executor/layers/attention.h"

namespace sextant {

// Sizes in elements of T.
[[nodiscard]] std::size_t causal_attention_saved_size(const AttentionShape& shape);
[[nodiscard]] std::size_t causal_attention_workspace_size(const AttentionShape& shape);

template <typename T>
struct CausalAttentionBuffers {
  const T* qkv;
  T* saved;
  T* workspace;
};

// context [B L, h d] = softmax(q k^T / sqrt(d)) v over the keys up to each query's own position.
template <typename T>
void causal_attention_forward(const AttentionShape& shape, const CausalAttentionBuffers<T>& buffers, T* context);

// dqkv [B L, (h + 2 g) d] is replaced.
template <typename T>
void causal_attention_backward(const AttentionShape& shape, const CausalAttentionBuffers<T>& buffers, const T* dcontext,
                               T* dqkv);

}  // namespace sextant
