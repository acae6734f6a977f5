// The search: layouts, policies and micro-batches, each with its best degrees and gradient slices; then the
// issue order of the best few.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "models/network.h"
#include "planner/plan.h"
#include "planner/schedule_planner.h"

namespace sextant {

struct SearchRequest {
  Network network;
  std::int64_t global_batch = 0;  // samples a step
  std::int64_t sequence = 0;
  std::optional<Policy> policy;  // absent: all
  int ordered = 3;  // (layout, micro-batch) pairs, best first, whose issue order is searched (at least `top`)
  // --fix: only layouts with these degrees.
  std::optional<int> pp, dp, cp, tp, edp, ep, esp;
  std::optional<std::int64_t> micro_batch;
  std::optional<int> forward_degree, backward_degree;
  std::optional<Topology> topology;  // a part of the cluster, or more nodes of its kind; absent: the cluster's own
  int max_degree = 16;               // largest pipeline degree tried
  int top = 1;                       // plans returned
};

enum class PlanStatus { kFound, kInfeasible };

struct Rejection {
  ParallelDegrees degrees;
  std::string reason;  // "memory: expert activations 12.1 GiB of 9 GiB", "heads 4 not divisible by tp 8"
};

struct SearchSummary {
  int candidates = 0;  // (layout, micro-batch, policy) considered
  int simulated = 0;
  Seconds search_time;
  std::vector<Rejection> rejected;
};

struct PlanResult {
  PlanStatus status = PlanStatus::kInfeasible;
  std::vector<Plan> plans;  // best first, at most `top`
  SearchSummary summary;
};

// Deterministic. Throws ConfigError for a request that no cluster could serve (batch or sequence < 1, an
// invalid topology).
[[nodiscard]] PlanResult search_plans(const SearchRequest& request, const Cluster& cluster);

// Every dp x tp and edp x ep x esp grid of `num_ranks` ranks that has the degrees fixed in `request`. Throws
// ConfigError where there are more than kMaxLayouts: 2^24 ranks have 8,125, numbers with many divisors far more.
inline constexpr std::size_t kMaxLayouts = 32768;
[[nodiscard]] std::vector<ParallelDegrees> enumerate_layouts(const SearchRequest& request, int num_ranks);

// What the model says of a schedule (everything of Prediction).
[[nodiscard]] Prediction predict(const StepShape& step, const Schedule& schedule, const CostModel& costs,
                                 const DeviceSpec& device);

// No order of the step's tasks, whatever the degrees up to `max_degree`, can be faster on the model:
// the largest load of any resource.
[[nodiscard]] Seconds step_lower_bound(const StepShape& step, const CostModel& costs, int max_degree);

}  // namespace sextant
