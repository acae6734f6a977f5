#include "executor/layers/blas/backend.h"
#include "executor/layers/blas/openblas.h"

namespace sextant::blas {

void multiply(const GemmShape& shape, float alpha, MatrixRef<float> a, MatrixRef<float> b, float beta, float* c,
              std::int64_t c_leading_dim) {
  use_one_openblas_thread();
  cblas_sgemm(CblasRowMajor, cblas_transpose(a.transpose), cblas_transpose(b.transpose), blasint(shape.m),
              blasint(shape.n), blasint(shape.k), alpha, a.data, blasint(a.leading_dim), b.data, blasint(b.leading_dim),
              beta, c, blasint(c_leading_dim));
}

}  // namespace sextant::blas
