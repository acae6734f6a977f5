// How well predictions agree with measurements: errors, order, and what a wrong order costs.
//
// Used by `sextant experiment` and `sextant validate`. Times are raw doubles of one unit, any unit.
#pragma once

#include <optional>
#include <span>
#include <vector>

namespace sextant {

// One thing predicted and measured, both > 0.
struct Comparison {
  double predicted = 0.0;
  double measured = 0.0;
};

// predicted / measured - 1: positive where the prediction is too slow.
[[nodiscard]] double relative_error(const Comparison& comparison);
// |relative_error| of each.
[[nodiscard]] std::vector<double> absolute_errors(std::span<const Comparison> comparisons);

// Linear between order statistics: position fraction * (n - 1) of the sorted values.
// REQUIRES: at least one value, 0 <= fraction <= 1.
[[nodiscard]] double quantile(std::vector<double> values, double fraction);
// REQUIRES: at least one value.
[[nodiscard]] double mean(std::span<const double> values);
// exp of the mean logarithm. REQUIRES: at least one value, all > 0.
[[nodiscard]] double geometric_mean(std::span<const double> values);

// Kendall's tau-b over all pairs (Kendall 1945, "The treatment of ties in ranking problems"):
//   (C - D) / sqrt((P - T_predicted) (P - T_measured))
// C pairs in the same order, D in opposite order, P = n(n-1)/2 pairs, T pairs tied in one of the two.
// 1: the same order; -1: the reverse. Absent where one of the two does not order anything.
[[nodiscard]] std::optional<double> kendall_tau(std::span<const Comparison> comparisons);

// What it costs to take the one predicted fastest: its measured time / the least measured time - 1.
// Of several predicted alike the slowest counts. REQUIRES: at least one.
[[nodiscard]] double top1_regret(std::span<const Comparison> comparisons);

}  // namespace sextant
