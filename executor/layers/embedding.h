// Token embedding: look-up, and scatter-add of the gradient. table [V, M], row-major.
#pragma once

#include <cstdint>
#include <span>

namespace sextant {

// out [tokens, M] = table[token].
template <typename T>
void embedding_forward(std::int64_t model_dim, const T* table, std::span<const std::int32_t> tokens, T* out);

// dtable[token] += dout[row].
template <typename T>
void embedding_backward(std::int64_t model_dim, const T* dout, std::span<const std::int32_t> tokens, T* dtable);

}  // namespace sextant
