// Softmax of one row, for the layers' sources only.
#pragma once

#include <cstdint>

#include "executor/layers/vector_math.h"

namespace sextant {

template <typename T>
T maximum(std::int64_t n, const T* row) {
  T result = row[0];
#pragma omp simd reduction(max : result)
  for (std::int64_t i = 0; i < n; ++i) result = row[i] > result ? row[i] : result;
  return result;
}

// row becomes exp(row - peak); returns the sum.
template <typename T>
T exponentiate(std::int64_t n, T peak, T* row) {
  T sum = 0;
#pragma omp simd reduction(+ : sum)
  for (std::int64_t i = 0; i < n; ++i) {
    row[i] = exp_of(row[i] - peak);
    sum += row[i];
  }
  return sum;
}

template <typename T>
void scale(std::int64_t n, T factor, T* row) {
#pragma omp simd
  for (std::int64_t i = 0; i < n; ++i) row[i] *= factor;
}

template <typename T>
void softmax_in_place(std::int64_t n, T* row) {
  scale(n, T(1) / exponentiate(n, maximum(n, row), row), row);
}

}  // namespace sextant
