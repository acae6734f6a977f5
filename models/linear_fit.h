// Least-squares fits of measured times, with their residuals.
#pragma once

#include <span>

#include "models/units.h"

namespace sextant {

// Relative residuals |fit - measured| / measured of the points behind a fit.
struct FitResidual {
  double median = 0.0;
  double p90 = 0.0;
  double max = 0.0;
  double r_squared = 0.0;
  bool operator==(const FitResidual&) const = default;
};

// T(n) = alpha + n * beta (FSMoE section 4.1; spec 3.1).
struct AlphaBeta {
  Seconds alpha{};
  SecondsPerByte beta{};
  FitResidual residual{};
  [[nodiscard]] Seconds at(Bytes amount) const { return alpha + beta * amount; }
  bool operator==(const AlphaBeta&) const = default;
};

struct TimedAmount {
  Bytes amount{};
  Seconds time{};
};

// Weighted least squares (weights 1/time^2, so small sizes count as much as large ones), alpha and
// beta >= 0. REQUIRES: at least one point; one point gives alpha = 0.
[[nodiscard]] AlphaBeta fit_alpha_beta(std::span<const TimedAmount> points);

struct TimedCounts {
  Flops flops{};
  Bytes bytes{};
  Seconds time{};
};

struct RooflineFit {
  Seconds alpha{};
  SecondsPerFlop gamma{};
  SecondsPerByte beta{};
  FitResidual residual{};
};

// t = alpha + gamma * flops + beta * bytes by non-negative least squares on relative error.
// REQUIRES: at least one point.
[[nodiscard]] RooflineFit fit_roofline(std::span<const TimedCounts> points);

}  // namespace sextant
