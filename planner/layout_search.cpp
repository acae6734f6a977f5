#include "planner/layout_search.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <set>

#include "models/divisors.h"
#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

bool allowed(std::optional<int> fixed, int value) {
  return !fixed || *fixed == value;
}

// Samples per replica and micro-batch: all divisors of a replica's share, largest first.
std::vector<std::int64_t> micro_batches(const SearchRequest& request, int dp) {
  if (request.global_batch % dp != 0) return {};
  std::vector<std::int64_t> result;
  for (const int m : divisors(request.global_batch / dp)) {
    if (!request.micro_batch || *request.micro_batch == m) result.push_back(m);
  }
  std::ranges::reverse(result);
  return result;
}

bool is_better(const Plan& a, const Plan& b) {
  if (a.prediction.step_time != b.prediction.step_time) return a.prediction.step_time < b.prediction.step_time;
  return a.prediction.peak_memory < b.prediction.peak_memory;
}

// Costs at the ends of what files may hold add up to what no file may hold.
bool is_readable(const Prediction& p) {
  constexpr Seconds kMost(1e30);
  return p.step_time > Seconds(0.0) && p.step_time_high < kMost && std::isfinite(p.tokens_per_s_per_device) &&
         std::isfinite(p.mfu);
}

class Search {
 public:
  Search(const SearchRequest& request, const Cluster& cluster)
      : request_(request),
        cluster_(cluster),
        topology_(request.topology.value_or(cluster.topology)),
        costs_(make_cost_model(cluster)),
        network_hash_(content_hash(network_to_yaml(request.network))),
        cluster_hash_(content_hash(cluster_to_yaml(cluster))) {}

  PlanResult run() {
    const auto started = std::chrono::steady_clock::now();
    for (const ParallelDegrees& degrees : enumerate_layouts(request_, topology_.num_ranks())) try_layout(degrees);
    std::stable_sort(result_.plans.begin(), result_.plans.end(), is_better);
    search_orders();
    if (result_.plans.size() > static_cast<std::size_t>(request_.top)) {
      result_.plans.erase(result_.plans.begin() + request_.top, result_.plans.end());
    }
    for (Plan& plan : result_.plans) explain(plan);
    result_.status = result_.plans.empty() ? PlanStatus::kInfeasible : PlanStatus::kFound;
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
    result_.summary.search_time = Seconds(elapsed.count());
    return std::move(result_);
  }

 private:
  void try_layout(const ParallelDegrees& degrees) {
    const std::vector<std::int64_t> sizes = micro_batches(request_, degrees.dp);
    if (sizes.empty()) {
      reject(degrees, fmt::format("global batch {} does not divide over dp {}", request_.global_batch, degrees.dp));
    }
    for (const std::int64_t size : sizes) try_micro_batch(degrees, size);
  }

  void try_micro_batch(const ParallelDegrees& degrees, std::int64_t size) {
    const StepShape step{request_.network,
                         ParallelLayout(degrees, topology_),
                         size,
                         static_cast<int>(request_.global_batch / degrees.dp / size),
                         request_.sequence,
                         cluster_.element_bytes};
    try {
      validate(step);
    } catch (const ConfigError& error) {
      return reject(degrees, error.what());
    }
    const int degree = std::max(request_.forward_degree.value_or(1), request_.backward_degree.value_or(1));
    if (degree > step.capacity()) {
      return reject(degrees, fmt::format("degree {} exceeds the {} rows of an expert", degree, step.capacity()));
    }
    Schedule simplest;
    simplest.degrees.resize(static_cast<std::size_t>(step.network.layers));
    if (!keeps_in_bounds(step, simplest)) return;
    const MemoryBreakdown memory = training_memory(step);
    if (memory.total() > cluster_.device.memory) {
      return reject(degrees, fmt::format("memory: {} of {} needed by one rank, most by {} ({})",
                                         to_text(memory.total()), to_text(cluster_.device.memory),
                                         memory.largest().name, to_text(memory.largest().bytes)));
    }
    try {
      for (const Policy policy : policies()) try_policy(step, policy);
    } catch (const ModelError& error) {  // a collective of this layout was never measured
      reject(degrees, error.what());
    }
  }

  // Orders are searched later, from fsmoe's schedule.
  std::vector<Policy> policies() const {
    if (!request_.policy) return published_policies();
    return {*request_.policy == Policy::kSearched ? Policy::kFsmoe : *request_.policy};
  }

  // Adds a searched plan for each of the best steps; where the request names this policy, only those stay.
  void search_orders() {
    if (request_.policy && *request_.policy != Policy::kSearched) return;
    std::vector<Plan> searched;
    std::vector<const StepShape*> seen;
    for (const Plan& plan : result_.plans) {
      if (static_cast<int>(searched.size()) == std::max(request_.ordered, request_.top)) break;
      const auto is_same = [&](const StepShape* step) {
        return step->layout == plan.step.layout && step->micro_batch == plan.step.micro_batch;
      };
      if (std::ranges::any_of(seen, is_same)) continue;
      seen.push_back(&plan.step);
      Plan ordered = searched_plan(plan);
      if (keeps_in_bounds(ordered.step, ordered.schedule) && is_priced(ordered)) searched.push_back(std::move(ordered));
    }
    if (request_.policy) result_.plans.clear();
    std::ranges::move(searched, std::back_inserter(result_.plans));
    std::stable_sort(result_.plans.begin(), result_.plans.end(), is_better);
  }

  Plan searched_plan(const Plan& plan) {
    const OrderSearchOptions options{.schedule = schedule_options(), .memory = cluster_.device.memory};
    OrderedSchedule ordered = search_order(plan.step, *costs_, options);
    Plan result = plan;
    result.schedule = std::move(ordered.schedule);
    result.notes.order = ordered.report;
    result.prediction = predict(plan.step, result.schedule, *costs_, cluster_.device);
    ++result_.summary.candidates;
    result_.summary.simulated += ordered.report.evaluated;
    return result;
  }

  // The comparisons behind a plan that is returned.
  void explain(Plan& plan) const {
    const Policy policy = plan.schedule.policy == Policy::kSearched ? Policy::kFsmoe : plan.schedule.policy;
    const auto degrees = [&](std::optional<int> fixed, Pass pass) -> std::optional<DegreeComparison> {
      if (fixed) return std::nullopt;
      const auto largest = static_cast<int>(std::min<std::int64_t>(request_.max_degree, plan.step.capacity()));
      return largest < 2 ? std::nullopt : compare_degrees(plan.step, *costs_, policy, pass, largest);
    };
    plan.notes.forward = degrees(request_.forward_degree, Pass::kForward);
    plan.notes.backward = degrees(request_.backward_degree, Pass::kBackward);
    plan.notes.partition = plan_schedule_with_report(plan.step, *costs_, policy, schedule_options()).report;
  }

  ScheduleOptions schedule_options() const {
    return {request_.forward_degree, request_.backward_degree, request_.max_degree};
  }

  void try_policy(const StepShape& step, Policy policy) {
    ++result_.summary.candidates;
    Plan plan{step,         plan_schedule(step, *costs_, policy, schedule_options()), {}, network_hash_, cluster_hash_,
              cluster_.name};
    if (!keeps_in_bounds(step, plan.schedule)) return;
    plan.prediction = predict(step, plan.schedule, *costs_, cluster_.device);
    ++result_.summary.simulated;
    if (is_priced(plan)) result_.plans.push_back(std::move(plan));
  }

  // Otherwise rejects it: a plan with more tasks would not be read.
  bool keeps_in_bounds(const StepShape& step, const Schedule& schedule) {
    const std::int64_t tasks = most_tasks(step, schedule);
    if (tasks <= kMaxTasks) return true;
    reject(step.layout.degrees(), fmt::format("{} layers in {} micro-batches are {} tasks; allowed: {}",
                                              step.network.layers, step.num_micro_batches, tasks, kMaxTasks));
    return false;
  }

  // Otherwise rejects it.
  bool is_priced(const Plan& plan) {
    if (is_readable(plan.prediction)) return true;
    reject(plan.step.layout.degrees(), fmt::format("the costs of {} make a step of {} s; allowed: above 0, below 1e30",
                                                   cluster_.name, plan.prediction.step_time.value()));
    return false;
  }

  void reject(const ParallelDegrees& degrees, std::string reason) {
    result_.summary.rejected.push_back({degrees, std::move(reason)});
  }

  const SearchRequest& request_;
  const Cluster& cluster_;
  Topology topology_;
  std::unique_ptr<CostModel> costs_;
  std::string network_hash_;
  std::string cluster_hash_;
  PlanResult result_;
};

// Every edp x ep x esp grid with the degrees fixed in `request`.
std::vector<ParallelDegrees> expert_grids(const SearchRequest& request, int num_ranks) {
  std::vector<ParallelDegrees> grids;
  for (const int ep : divisors(num_ranks)) {
    if (!allowed(request.ep, ep)) continue;
    for (const int esp : divisors(num_ranks / ep)) {
      const int edp = num_ranks / ep / esp;
      if (allowed(request.esp, esp) && allowed(request.edp, edp)) grids.push_back({.edp = edp, .ep = ep, .esp = esp});
    }
  }
  return grids;
}

}  // namespace

std::vector<ParallelDegrees> enumerate_layouts(const SearchRequest& request, int num_ranks) {
  std::vector<ParallelDegrees> result;
  if (!allowed(request.pp, 1) || !allowed(request.cp, 1)) return result;
  const std::vector<ParallelDegrees> experts = expert_grids(request, num_ranks);
  for (const int tp : divisors(num_ranks)) {
    if (!allowed(request.tp, tp) || !allowed(request.dp, num_ranks / tp)) continue;
    if (result.size() + experts.size() > kMaxLayouts) {
      throw ConfigError(fmt::format(
          "{} ranks have more than {} layouts; fix degrees (--fix), or plan on a cluster known by reference", num_ranks,
          kMaxLayouts));
    }
    for (ParallelDegrees degrees : experts) {
      degrees.dp = num_ranks / tp;
      degrees.tp = tp;
      result.push_back(degrees);
    }
  }
  return result;
}

PlanResult search_plans(const SearchRequest& request, const Cluster& cluster) {
  if (request.global_batch < 1) throw ConfigError(fmt::format("global batch {}: at least 1", request.global_batch));
  if (request.sequence < 1) throw ConfigError(fmt::format("sequence {}: at least 1", request.sequence));
  if (request.topology) require_valid(*request.topology);
  return Search(request, cluster).run();
}

}  // namespace sextant
