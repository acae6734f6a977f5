#include "planner/checked_costs.h"

#include <string>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

// NaN is in no range.
bool is_time(Seconds time) {
  return time >= Seconds(0.0) && time <= kLargestCost;
}

[[noreturn]] void refuse_time(Seconds time, const std::string& what) {
  throw ModelError(fmt::format("{} takes {} s; allowed: 0 to 1e100", what, time.value()));
}

bool is_sound(const CostEstimate& e) {
  return is_time(e.time) && is_time(e.low) && is_time(e.high) && e.compute_share >= 0.0 && e.compute_share <= 1.0;
}

[[noreturn]] void refuse(const CostEstimate& estimate, const std::string& what) {
  for (const Seconds time : {estimate.time, estimate.low, estimate.high}) {
    if (!is_time(time)) refuse_time(time, what);
  }
  throw ModelError(fmt::format("{} takes a share of {} of compute; allowed: 0 to 1", what, estimate.compute_share));
}

std::string pair_text(Resource victim, Resource aggressor) {
  return fmt::format("{} beside {}", to_text(victim), to_text(aggressor));
}

}  // namespace

CostEstimate CheckedCostModel::kernel(const KernelWork& work) const {
  const CostEstimate estimate = costs_.kernel(work);
  if (!is_sound(estimate)) refuse(estimate, fmt::format("{} {}", to_text(work.op), to_text(work.pass)));
  return estimate;
}

CostEstimate CheckedCostModel::collective(const CollectiveWork& work) const {
  const CostEstimate estimate = costs_.collective(work);
  if (!is_sound(estimate)) refuse(estimate, to_text(work.op));
  return estimate;
}

Seconds CheckedCostModel::launch_latency() const {
  const Seconds latency = costs_.launch_latency();
  if (!is_time(latency)) refuse_time(latency, "a launch");
  return latency;
}

double CheckedCostModel::slowdown(Resource victim, Resource aggressor) const {
  const double factor = costs_.slowdown(victim, aggressor);
  if (!(factor >= 1.0 && factor <= kLargestCost.value())) {
    throw ModelError(fmt::format("{} is slowed {} times; allowed: 1 to 1e100", pair_text(victim, aggressor), factor));
  }
  return factor;
}

Seconds CheckedCostModel::delay(Resource victim, Resource aggressor) const {
  const Seconds delay = costs_.delay(victim, aggressor);
  if (!is_time(delay)) refuse_time(delay, pair_text(victim, aggressor));
  return delay;
}

}  // namespace sextant
