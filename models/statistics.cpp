#include "models/statistics.h"

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <numeric>

#include "models/error.h"

namespace sextant {
namespace {

int sign(double value) {
  return (value > 0.0) - (value < 0.0);
}

}  // namespace

double relative_error(const Comparison& comparison) {
  return comparison.predicted / comparison.measured - 1.0;
}

std::vector<double> absolute_errors(std::span<const Comparison> comparisons) {
  std::vector<double> errors;
  for (const Comparison& comparison : comparisons) errors.push_back(std::abs(relative_error(comparison)));
  return errors;
}

double quantile(std::vector<double> values, double fraction) {
  SEXTANT_CHECK(!values.empty() && fraction >= 0.0 && fraction <= 1.0, "{} values, fraction {}", values.size(),
                fraction);
  std::ranges::sort(values);
  const double position = fraction * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (values[above] - values[below]) * (position - static_cast<double>(below));
}

double mean(std::span<const double> values) {
  SEXTANT_CHECK(!values.empty(), "mean of nothing");
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double geometric_mean(std::span<const double> values) {
  std::vector<double> logarithms;
  for (const double value : values) logarithms.push_back(std::log(value));
  return std::exp(mean(logarithms));
}

std::optional<double> kendall_tau(std::span<const Comparison> comparisons) {
  std::int64_t balance = 0;  // C - D
  std::int64_t predicted_pairs = 0;
  std::int64_t measured_pairs = 0;
  for (std::size_t i = 0; i < comparisons.size(); ++i) {
    for (std::size_t j = 0; j < i; ++j) {
      const int predicted = sign(comparisons[i].predicted - comparisons[j].predicted);
      const int measured = sign(comparisons[i].measured - comparisons[j].measured);
      balance += predicted * measured;
      predicted_pairs += predicted != 0 ? 1 : 0;
      measured_pairs += measured != 0 ? 1 : 0;
    }
  }
  if (predicted_pairs == 0 || measured_pairs == 0) return std::nullopt;
  return static_cast<double>(balance) /
         std::sqrt(static_cast<double>(predicted_pairs) * static_cast<double>(measured_pairs));
}

double top1_regret(std::span<const Comparison> comparisons) {
  SEXTANT_CHECK(!comparisons.empty(), "regret of nothing");
  const double first = std::ranges::min_element(comparisons, {}, &Comparison::predicted)->predicted;
  const double least = std::ranges::min_element(comparisons, {}, &Comparison::measured)->measured;
  double taken = 0.0;
  for (const Comparison& comparison : comparisons) {
    if (comparison.predicted == first) taken = std::max(taken, comparison.measured);
  }
  return taken / least - 1.0;
}

}  // namespace sextant
