// The libraries behind gemm.h; which one serves which precision, and why: executor/layers/README.md.
#pragma once

#include <cstdint>

#include "executor/layers/gemm.h"

namespace sextant::blas {

// REQUIRES: m, n, k > 0.
void multiply(const GemmShape& shape, float alpha, MatrixRef<float> a, MatrixRef<float> b, float beta, float* c,
              std::int64_t c_leading_dim);
void multiply(const GemmShape& shape, double alpha, MatrixRef<double> a, MatrixRef<double> b, double beta, double* c,
              std::int64_t c_leading_dim);

}  // namespace sextant::blas
