// Seeded random data, and the comparison of a backward with central finite differences.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <functional>
#include <random>
#include <string>
#include <vector>

#include <gtest/gtest.h>

namespace sextant::testing {

// Uniform in [-1, 1]. Print seed() with SCOPED_TRACE where shapes are random too.
class RandomData {
 public:
  explicit RandomData(std::uint32_t seed) : generator_(seed) {}

  template <typename T = double>
  std::vector<T> vector(std::size_t size) {
    std::vector<T> result(size);
    for (T& value : result) value = T(uniform_(generator_));
    return result;
  }
  std::vector<std::int32_t> tokens(std::size_t size, std::int64_t vocabulary) {
    std::vector<std::int32_t> result(size);
    for (std::int32_t& token : result) token = static_cast<std::int32_t>(integer(0, vocabulary - 1));
    return result;
  }
  // In [low, high].
  std::int64_t integer(std::int64_t low, std::int64_t high) {
    return std::uniform_int_distribution<std::int64_t>(low, high)(generator_);
  }

 private:
  std::mt19937 generator_;
  std::uniform_real_distribution<double> uniform_{-1.0, 1.0};
};

template <typename A, typename B>
double dot(const std::vector<A>& a, const std::vector<B>& b) {
  double sum = 0.0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += static_cast<double>(a[i]) * static_cast<double>(b[i]);
  return sum;
}

inline std::vector<float> to_float(const std::vector<double>& values) {
  return {values.begin(), values.end()};
}

// max |actual - expected| / max |expected|
template <typename A, typename B>
double relative_error(const std::vector<A>& actual, const std::vector<B>& expected) {
  EXPECT_EQ(actual.size(), expected.size());
  double largest = 1e-30;
  double error = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const auto e = static_cast<double>(expected[i]);
    const double difference = std::abs(static_cast<double>(actual[i]) - e);
    if (std::isnan(difference)) return difference;
    largest = std::max(largest, std::abs(e));
    error = std::max(error, difference);
  }
  return error / largest;
}

// Compares `gradient` with (f(x + h) - f(x - h)) / 2h at every element of `x`, which `f` reads.
inline void expect_gradient(const std::string& name, std::vector<double>& x, const std::vector<double>& gradient,
                            const std::function<double()>& f) {
  constexpr double kStep = 1e-5;
  std::vector<double> numeric(x.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double value = x[i];
    x[i] = value + kStep;
    const double above = f();
    x[i] = value - kStep;
    const double below = f();
    x[i] = value;
    numeric[i] = (above - below) / (2.0 * kStep);
  }
  EXPECT_LE(relative_error(gradient, numeric), 1e-7) << "gradient of " << name;
}

}  // namespace sextant::testing
