// The parts of a softmax of one row, for the layers' sources only.
#pragma once

#include <cstdint>
#include <limits>

#include "executor/layers/reductions.h"
#include "executor/layers/vector_math.h"

namespace sextant {

// Elements of the widest vector register in single precision. A row padded to a multiple of it with
// minus infinity has no scalar rest; the padding becomes zero.
inline constexpr std::int64_t kLanes = 16;
constexpr std::int64_t round_up_to_lanes(std::int64_t n) {
  return (n + kLanes - 1) / kLanes * kLanes;
}

template <typename T>
T maximum(std::int64_t n, const T* row) {
  T result = -std::numeric_limits<T>::infinity();
#pragma omp simd reduction(max : result)
  for (std::int64_t i = 0; i < n; ++i) result = row[i] > result ? row[i] : result;
  return result;
}

// row becomes exp(row - peak); returns the sum.
template <typename T>
T exponentiate(std::int64_t n, T peak, T* row) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) row[i] = exp_of(row[i] - peak);
  return sum(n, row);
}

template <typename T>
void scale(std::int64_t n, T factor, T* row) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) row[i] *= factor;
}

}  // namespace sextant
