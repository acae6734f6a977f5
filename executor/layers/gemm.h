// Matrix products through BLAS, row-major, one thread per calling rank.
#pragma once

#include <cstdint>

namespace sextant {

enum class Transpose { kNo, kYes };

// C[m, n] = alpha * op(A)[m, k] * op(B)[k, n] + beta * C, row-major with leading dimensions (elements
// between the starts of two rows as stored). T is float or double. Nothing is read of C when beta == 0.
template <typename T>
struct MatrixRef {
  const T* data;
  std::int64_t leading_dim;
  Transpose transpose = Transpose::kNo;
};

struct GemmShape {
  std::int64_t m;
  std::int64_t n;
  std::int64_t k;
};

template <typename T>
void gemm(const GemmShape& shape, T alpha, MatrixRef<T> a, MatrixRef<T> b, T beta, T* c, std::int64_t c_leading_dim);

}  // namespace sextant
