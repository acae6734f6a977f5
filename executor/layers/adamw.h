// AdamW (decoupled weight decay) on a flat range, and the norm that clipping needs.
#pragma once

#include <cstdint>
#include <span>

namespace sextant {

struct AdamWOptions {
  double learning_rate;
  double beta1;
  double beta2;
  double epsilon;
  double weight_decay;    // 0 for parameters without decay
  double gradient_scale;  // clipping factor times 1 / number of summed means; 1 when neither applies
  std::int64_t step;      // from 1
};

template <typename T>
struct AdamWRange {
  std::span<T> value;
  std::span<const T> gradient;
  std::span<T> first_moment;
  std::span<T> second_moment;
};

// g = gradient_scale * gradient;  m = beta1 m + (1-beta1) g;  v = beta2 v + (1-beta2) g^2
// value -= learning_rate * (m/(1-beta1^step) / (sqrt(v/(1-beta2^step)) + epsilon) + weight_decay * value)
template <typename T>
void adamw_update(const AdamWOptions& options, const AdamWRange<T>& range);

template <typename T>
[[nodiscard]] double sum_of_squares(std::span<const T> values);

}  // namespace sextant
