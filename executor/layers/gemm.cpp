#include "executor/layers/gemm.h"

#include "executor/layers/blas/backend.h"
#include "executor/layers/gemm_recording.h"

namespace sextant {
namespace {

// What is left of C = alpha * A B + beta * C when the product is empty.
template <typename T>
void scale_matrix(const GemmShape& shape, T beta, T* c, std::int64_t c_leading_dim) {
  for (std::int64_t i = 0; i < shape.m; ++i) {
    T* row = c + i * c_leading_dim;
    for (std::int64_t j = 0; j < shape.n; ++j) row[j] = beta == T(0) ? T(0) : beta * row[j];
  }
}

}  // namespace

template <typename T>
void gemm(const GemmShape& shape, T alpha, MatrixRef<T> a, MatrixRef<T> b, T beta, T* c, std::int64_t c_leading_dim) {
  if (shape.m == 0 || shape.n == 0) return;
  if (shape.k == 0) return scale_matrix(shape, beta, c, c_leading_dim);
  if (GemmRecording* recording = GemmRecording::active()) {
    recording->add([=] { blas::multiply(shape, alpha, a, b, beta, c, c_leading_dim); },
                   2.0 * static_cast<double>(shape.m) * static_cast<double>(shape.n) * static_cast<double>(shape.k));
  }
  blas::multiply(shape, alpha, a, b, beta, c, c_leading_dim);
}

template void gemm<float>(const GemmShape&, float, MatrixRef<float>, MatrixRef<float>, float, float*, std::int64_t);
template void gemm<double>(const GemmShape&, double, MatrixRef<double>, MatrixRef<double>, double, double*,
                           std::int64_t);

}  // namespace sextant
