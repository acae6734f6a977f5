#include "executor/layers/blas/backend.h"
#include "executor/layers/blas/openblas.h"

namespace sextant::blas {

void multiply(const GemmShape& shape, double alpha, MatrixRef<double> a, MatrixRef<double> b, double beta, double* c,
              std::int64_t c_leading_dim) {
  use_one_openblas_thread();
  cblas_dgemm(CblasRowMajor, cblas_transpose(a.transpose), cblas_transpose(b.transpose), blasint(shape.m),
              blasint(shape.n), blasint(shape.k), alpha, a.data, blasint(a.leading_dim), b.data, blasint(b.leading_dim),
              beta, c, blasint(c_leading_dim));
}

}  // namespace sextant::blas
