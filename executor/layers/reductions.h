// Sums in whatever order is fastest, for the layers' sources only. Their file alone is compiled with
// -fassociative-math: elsewhere it would undo the two-part subtraction of vector_math.h.
#pragma once

#include <cstdint>

namespace sextant {

template <typename T>
[[nodiscard]] T sum(std::int64_t n, const T* x);

template <typename T>
[[nodiscard]] T dot(std::int64_t n, const T* x, const T* y);

// sum of x y z
template <typename T>
[[nodiscard]] T dot(std::int64_t n, const T* x, const T* y, const T* z);

// Every square and the sum in double.
template <typename T>
[[nodiscard]] double sum_of_squares_in_double(std::int64_t n, const T* x);

}  // namespace sextant
