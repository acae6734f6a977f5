#include "executor/layers/adamw.h"

#include <cmath>

#include "executor/layers/reductions.h"

namespace sextant {

template <typename T>
void adamw_update(const AdamWOptions& options, const AdamWRange<T>& range) {
  const T beta1 = T(options.beta1);
  const T beta2 = T(options.beta2);
  const T fresh1 = T((1.0 - options.beta1) * options.gradient_scale);
  const T fresh2 = T((1.0 - options.beta2) * options.gradient_scale * options.gradient_scale);
  const double correction1 = 1.0 - std::pow(options.beta1, static_cast<double>(options.step));
  const double correction2 = 1.0 - std::pow(options.beta2, static_cast<double>(options.step));
  // With v' = v / correction2:  rate * m' / (sqrt(v') + eps) = (rate / correction1) * m / (sqrt(v) * root + eps).
  const T rate = T(options.learning_rate / correction1);
  const T root = T(1.0 / std::sqrt(correction2));
  const T epsilon = T(options.epsilon);
  const T keep = T(1.0 - options.learning_rate * options.weight_decay);
  T* value = range.value.data();
  const T* gradient = range.gradient.data();
  T* first = range.first_moment.data();
  T* second = range.second_moment.data();
  const std::size_t n = range.value.size();
#pragma omp simd
  for (std::size_t i = 0; i < n; ++i) {
    const T g = gradient[i];
    const T m = beta1 * first[i] + fresh1 * g;
    const T v = beta2 * second[i] + fresh2 * (g * g);
    first[i] = m;
    second[i] = v;
    value[i] = keep * value[i] - rate * m / (std::sqrt(v) * root + epsilon);
  }
}

template <typename T>
double sum_of_squares(std::span<const T> values) {
  return sum_of_squares_in_double(static_cast<std::int64_t>(values.size()), values.data());
}

template void adamw_update<float>(const AdamWOptions&, const AdamWRange<float>&);
template void adamw_update<double>(const AdamWOptions&, const AdamWRange<double>&);
template double sum_of_squares<float>(std::span<const float>);
template double sum_of_squares<double>(std::span<const double>);

}  // namespace sextant
