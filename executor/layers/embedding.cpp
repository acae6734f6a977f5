#include "executor/layers/embedding.h"

#include <algorithm>

namespace sextant {

template <typename T>
void embedding_forward(std::int64_t model_dim, const T* table, std::span<const std::int32_t> tokens, T* out) {
  for (const std::int32_t token : tokens) {
    out = std::copy_n(table + token * model_dim, model_dim, out);
  }
}

template <typename T>
void embedding_backward(std::int64_t model_dim, const T* dout, std::span<const std::int32_t> tokens, T* dtable) {
  for (const std::int32_t token : tokens) {
    T* row = dtable + token * model_dim;
#pragma omp simd
    for (std::int64_t i = 0; i < model_dim; ++i) row[i] += dout[i];
    dout += model_dim;
  }
}

template void embedding_forward<float>(std::int64_t, const float*, std::span<const std::int32_t>, float*);
template void embedding_forward<double>(std::int64_t, const double*, std::span<const std::int32_t>, double*);
template void embedding_backward<float>(std::int64_t, const float*, std::span<const std::int32_t>, float*);
template void embedding_backward<double>(std::int64_t, const double*, std::span<const std::int32_t>, double*);

}  // namespace sextant
