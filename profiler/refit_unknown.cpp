#include "profiler/refit_unknown.h"

#include <algorithm>
#include <cmath>

#include "planner/simulator.h"

namespace sextant {
namespace {

constexpr double kRounding = 1e-6;  // relative: what adding up spans may lose

Seconds error_of_sum(const Unknown& unknown, const ObservedStep& observed) {
  double squares = 0.0;
  for (const TaskId task : unknown.tasks) {
    const double error_s = observed.spans[static_cast<std::size_t>(task)].error.value();
    squares += error_s * error_s;
  }
  return Seconds(std::sqrt(squares));
}

// Time of the unknown's tasks with it at `value`, the other unknowns where they are, and all that is known.
Seconds time_at(const std::vector<Unknown>& unknowns, const Unknown& unknown, double value, const UnknownsOf& of) {
  ClusterCorrections corrections = of.known;
  for (const Unknown& other : unknowns) {
    const double at = &other == &unknown ? value : other.value;
    if (at != other.old_value) merge(corrections, other.corrections(at));
  }
  const Timeline timeline = simulate(of.graph, *make_cost_model(corrected(of.cluster, corrections)));
  return simulated_sum(unknown, timeline);
}

double value_that_explains(const std::vector<Unknown>& unknowns, const Unknown& unknown, const UnknownsOf& of) {
  const auto simulated = [&](double value) { return time_at(unknowns, unknown, value, of); };
  const Seconds target = measured_sum(unknown, of.observed) + unknown.moved;
  const Seconds noise = std::max(kRounding * target, 2.0 * error_of_sum(unknown, of.observed));
  const Seconds now = simulated(unknown.value);
  if (now > target - noise && now < target + noise) return unknown.value;
  double low = unknown.low;
  double high = unknown.high;
  const Seconds at_low = simulated(low);
  const Seconds at_high = simulated(high);
  if (at_high - at_low < kRounding * target) return unknown.value;
  if (at_low >= target) return low;
  if (at_high <= target) return high;
  while (high - low > std::max(1e-5 * high, 1e-8 * unknown.high)) {
    const double middle = 0.5 * (low + high);
    (simulated(middle) < target ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

}  // namespace

Seconds measured_sum(const Unknown& unknown, const ObservedStep& observed) {
  Seconds sum;
  for (const TaskId task : unknown.tasks) sum += observed.spans[static_cast<std::size_t>(task)].mean;
  return sum;
}

Seconds simulated_sum(const Unknown& unknown, const Timeline& timeline) {
  Seconds sum;
  for (const TaskId task : unknown.tasks) {
    const TaskSpan& span = timeline.spans[static_cast<std::size_t>(task)];
    sum += span.end - span.start;
  }
  return sum;
}

void find_unknowns(std::vector<Unknown>& unknowns, const UnknownsOf& of) {
  constexpr int kMostRounds = 12;
  for (Unknown& unknown : unknowns) unknown.value = unknown.old_value;
  for (int round = 0; round < kMostRounds; ++round) {
    double moved = 0.0;
    for (Unknown& unknown : unknowns) {
      const double value = value_that_explains(unknowns, unknown, of);
      moved = std::max(moved, std::abs(value - unknown.value) / unknown.high);
      unknown.value = value;
    }
    if (moved < 1e-5) return;
  }
}

}  // namespace sextant
