#include "executor/layers/reductions.h"

namespace sextant {

template <typename T>
T sum(std::int64_t n, const T* x) {
  T result = 0;
  for (std::int64_t i = 0; i < n; ++i) result += x[i];
  return result;
}

template <typename T>
T dot(std::int64_t n, const T* x, const T* y) {
  T result = 0;
  for (std::int64_t i = 0; i < n; ++i) result += x[i] * y[i];
  return result;
}

template <typename T>
T dot(std::int64_t n, const T* x, const T* y, const T* z) {
  T result = 0;
  for (std::int64_t i = 0; i < n; ++i) result += x[i] * y[i] * z[i];
  return result;
}

// Four sums side by side hide the latency of an addition.
template <typename T>
double sum_of_squares_in_double(std::int64_t n, const T* x) {
  const auto square = [](T value) { return static_cast<double>(value) * static_cast<double>(value); };
  const std::int64_t quarter = n / 4;
  double parts[4] = {};
  for (std::int64_t i = 0; i < quarter; ++i) {
    for (int part = 0; part < 4; ++part) parts[part] += square(x[part * quarter + i]);
  }
  for (std::int64_t i = 4 * quarter; i < n; ++i) parts[0] += square(x[i]);
  return (parts[0] + parts[1]) + (parts[2] + parts[3]);
}

template float sum<float>(std::int64_t, const float*);
template double sum<double>(std::int64_t, const double*);
template float dot<float>(std::int64_t, const float*, const float*);
template double dot<double>(std::int64_t, const double*, const double*);
template float dot<float>(std::int64_t, const float*, const float*, const float*);
template double dot<double>(std::int64_t, const double*, const double*, const double*);
template double sum_of_squares_in_double<float>(std::int64_t, const float*);
template double sum_of_squares_in_double<double>(std::int64_t, const double*);

}  // namespace sextant
