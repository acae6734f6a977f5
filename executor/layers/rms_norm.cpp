#include "executor/layers/rms_norm.h"

#include <cmath>

#include "executor/layers/reductions.h"

namespace sextant {
namespace {

template <typename T>
void scale_row(std::int64_t n, const T* x, const T* weight, T inverse_rms, T* y) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) y[i] = x[i] * inverse_rms * weight[i];
}

// One row of the backward; with g = dy * weight and u = x * inverse_rms:
//   dx = inverse_rms * (g - u * mean(g * u)),  dweight += dy * u
template <typename T, Store kStore>
void backward_row(std::int64_t n, const T* x, const T* weight, T inverse_rms, const T* dy, T* dx, T* dweight) {
  const T pull = dot(n, dy, x, weight) * inverse_rms * inverse_rms * inverse_rms / T(n);
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) {
    const T scaled = dy[i] * inverse_rms;
    const T value = scaled * weight[i] - x[i] * pull;
    dweight[i] += scaled * x[i];
    dx[i] = kStore == Store::kAdd ? dx[i] + value : value;
  }
}

}  // namespace

template <typename T>
void rms_norm_forward(const RmsNormShape& shape, const T* x, const T* weight, T* y, T* inverse_rms) {
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const T* x_row = x + row * shape.dim;
    const T mean_square = dot(shape.dim, x_row, x_row) / T(shape.dim);
    inverse_rms[row] = T(1) / std::sqrt(mean_square + T(kRmsNormEpsilon));
    scale_row(shape.dim, x_row, weight, inverse_rms[row], y + row * shape.dim);
  }
}

template <typename T>
void rms_norm_backward(const RmsNormShape& shape, const RmsNormInputs<T>& inputs, const T* dy, T* dx, Store store,
                       T* dweight) {
  const auto row_function = store == Store::kAdd ? backward_row<T, Store::kAdd> : backward_row<T, Store::kReplace>;
  for (std::int64_t row = 0; row < shape.rows; ++row) {
    const std::int64_t begin = row * shape.dim;
    row_function(shape.dim, inputs.x + begin, inputs.weight, inputs.inverse_rms[row], dy + begin, dx + begin, dweight);
  }
}

template void rms_norm_forward<float>(const RmsNormShape&, const float*, const float*, float*, float*);
template void rms_norm_forward<double>(const RmsNormShape&, const double*, const double*, double*, double*);
template void rms_norm_backward<float>(const RmsNormShape&, const RmsNormInputs<float>&, const float*, float*, Store,
                                       float*);
template void rms_norm_backward<double>(const RmsNormShape&, const RmsNormInputs<double>&, const double*, double*,
                                        Store, double*);

}  // namespace sextant
