// RMSNorm over the last dim: y = weight * x / sqrt(mean(x^2) + kRmsNormEpsilon). Row-major, contiguous.
#pragma once

#include <cstdint>

#include "executor/layers/store.h"

namespace sextant {

inline constexpr double kRmsNormEpsilon = 1e-5;

struct RmsNormShape {
  std::int64_t rows;
  std::int64_t dim;
};

// x, y [rows, dim]; weight [dim]; inverse_rms [rows] is saved for the backward. y may be x.
template <typename T>
void rms_norm_forward(const RmsNormShape& shape, const T* x, const T* weight, T* y, T* inverse_rms);

// What the forward saw.
template <typename T>
struct RmsNormInputs {
  const T* x;
  const T* weight;
  const T* inverse_rms;
};

// dx is stored as `store` says; dweight [dim] is always added to. dx may be dy.
template <typename T>
void rms_norm_backward(const RmsNormShape& shape, const RmsNormInputs<T>& inputs, const T* dy, T* dx, Store store,
                       T* dweight);

}  // namespace sextant
