// Scalar functions that the compiler turns into vector code inside loops. For the layers' sources only.
//
// In single precision exp is a polynomial of ours (std::exp cannot be vectorised without
// -ffast-math); in double it is std::exp, because double is there to prove, not to train.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <limits>

namespace sextant {

// Relative error <= 2e-7 on [-87, 88]; 0 below, infinity above. NaN stays NaN.
//
// exp(x) = 2^n * exp(r), n = round(x / ln 2), |r| <= ln(2)/2. ln 2 is subtracted in two parts so that
// r is exact to the last bit; exp(r) is its Taylor polynomial to r^7 (remainder below 6e-9).
// The ends are selected after the fact: with x clamped first, the compiler evaluates callers at the
// clamped constants too, where 1 / (1 + exp(88)) is subnormal and slows every vector it meets.
inline float exp_of(float x) {
  constexpr float kLog2E = 1.44269504f;
  constexpr float kLn2High = 0.693359375f;
  constexpr float kLn2Low = -2.12194440e-4f;
  constexpr float kRounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves round(x) in the low mantissa bits
  const float shifted = x * kLog2E + kRounder;
  const float n = shifted - kRounder;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  float p = 1.0f / 5040.0f;
  p = p * r + 1.0f / 720.0f;
  p = p * r + 1.0f / 120.0f;
  p = p * r + 1.0f / 24.0f;
  p = p * r + 1.0f / 6.0f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // The low bits of `shifted` hold n; moved to the exponent they add n to that of p.
  const auto exponent = std::bit_cast<std::uint32_t>(shifted) << 23;
  const float result = std::bit_cast<float>(std::bit_cast<std::uint32_t>(p) + exponent);
  if (x < -87.0f) return 0.0f;
  return x > 88.0f ? std::numeric_limits<float>::infinity() : result;
}

inline double exp_of(double x) {
  return std::exp(x);
}

// 1 / (1 + exp(-x))
template <typename T>
inline T sigmoid(T x) {
  return T(1) / (T(1) + exp_of(-x));
}

}  // namespace sextant
