#include "planner/schedule_planner.h"

#include <algorithm>
#include <numeric>

#include <fmt/format.h>

#include "planner/checked_costs.h"
#include "planner/fixed_chunks.h"
#include "planner/fsmoe_step2.h"
#include "planner/gradient_partition.h"
#include "planner/gradient_partition_exact.h"
#include "planner/moe_block.h"
#include "planner/pipeline_degree.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

constexpr std::array<const char*, kNumPartitionMethods> kMethodNames = {"exact partition", "step 1", "step 2",
                                                                        "whole units"};

int largest_degree(const StepShape& step, const ScheduleOptions& options) {
  return static_cast<int>(std::min<std::int64_t>(options.max_degree, step.capacity()));
}

int best_degree(const StepShape& step, const CostModel& costs, Policy policy, Pass pass, int largest) {
  if (policy == Policy::kSequential) return 1;
  const BlockOptions options{.gradient = {}, .gradient_ready = {}, .launch_latency = costs.launch_latency()};
  const auto times = [&](int degree) { return chunk_times(step, costs, pass, degree); };
  return choose_degree(times, largest, options, block_queues(step, policy)).degree;
}

bool partitions(Policy policy) {
  return policy == Policy::kFsmoe || policy == Policy::kFsmoeNoIio;
}

Seconds simulated_time(const StepShape& step, const Schedule& schedule, const CostModel& costs) {
  return simulate(build_step_graph(step, schedule), costs).makespan();
}

// Parameters of every sharded group, gathered from the ranks that updated their shares.
Seconds parameter_gather_time(const StepShape& step, const CostModel& costs, const PartitionProblem& problem) {
  Seconds total;
  for (std::size_t g = 0; g < problem.groups.size(); ++g) {
    if (!problem.groups[g].exists) continue;
    CollectiveWork work = gradient_reduce_work(step, kReducingGroups[g], problem.groups[g].total());
    work.op = Collective::kAllGather;
    total += costs.collective(work).time;
  }
  return total;
}

// Tries every way to partition the gradients of a step and keeps the one of shortest simulated step.
class PartitionPlanner {
 public:
  PartitionPlanner(const StepShape& step, const CostModel& costs, Schedule schedule, const std::vector<int>& degrees)
      : step_(step),
        costs_(costs),
        unpartitioned_(std::move(schedule)),
        degrees_(degrees),
        problem_(partition_problem(step, costs, unpartitioned_.policy, degrees)) {}

  PlannedSchedule plan(const ScheduleOptions& options) {
    const ExactPartition exact = partition_exactly(problem_);
    report_.exact_time = exact.time;
    report_.bound = exact.bound;
    report_.gap = exact.gap();
    consider(PartitionMethod::kExact, exact.partition);
    const Partition step1 = partition_greedily(problem_);
    report_.step1_time = backward_time(problem_, step1);
    consider(PartitionMethod::kStep1, step1);
    if (options.paper_step2) {
      const Step2Result step2 = fsmoe_step2(problem_);
      report_.step2_time = step2.time;
      consider(PartitionMethod::kStep2, step2.partition);
    }
    consider_schedule(PartitionMethod::kWholeUnits, unpartitioned_);
    if (options.sharded_optimizer) report_.sharded_optimizer_time = sharded_optimizer_time();
    return {std::move(best_), report_};
  }

 private:
  void consider(PartitionMethod method, const Partition& partition) {
    Schedule schedule = unpartitioned_;
    schedule.gradients = gradient_slices(problem_, partition);
    for (int p = 0; p < problem_.num_positions(); ++p) {
      const auto option = static_cast<std::size_t>(partition.options[static_cast<std::size_t>(p)]);
      const auto layer = static_cast<std::size_t>(problem_.num_positions() - 1 - p);
      schedule.degrees[layer].backward = problem_.options(p)[option].degree;
    }
    consider_schedule(method, schedule);
  }

  void consider_schedule(PartitionMethod method, const Schedule& schedule) {
    const Seconds time = simulated_time(step_, schedule, costs_);
    report_.step_times[static_cast<std::size_t>(method)] = time;
    if (!best_.degrees.empty() && time >= *report_.step_times[static_cast<std::size_t>(report_.chosen)]) return;
    report_.chosen = method;
    best_ = schedule;
  }

  [[nodiscard]] Seconds sharded_optimizer_time() const {
    const PartitionProblem sharded =
        partition_problem(step_, costs_, unpartitioned_.policy, degrees_, Reduction::kReduceScatter);
    return partition_exactly(sharded).time + parameter_gather_time(step_, costs_, sharded);
  }

  const StepShape& step_;
  const CostModel& costs_;
  Schedule unpartitioned_;
  std::vector<int> degrees_;
  PartitionProblem problem_;
  Schedule best_;
  ScheduleReport report_;
};

}  // namespace

const char* to_text(PartitionMethod method) {
  return kMethodNames[static_cast<std::size_t>(method)];
}

std::string to_text(const ScheduleReport& report) {
  const std::string step2 = report.step2_time ? fmt::format(", step 2 {}", to_text(*report.step2_time)) : "";
  return fmt::format("backward {} (step 1 {}{}, bound {}, gap {:.2f} %), {}", to_text(report.exact_time),
                     to_text(report.step1_time), step2, to_text(report.bound), 100.0 * report.gap,
                     to_text(report.chosen));
}

PlannedSchedule plan_schedule_with_report(const StepShape& step, const CostModel& unchecked, Policy policy,
                                          const ScheduleOptions& options) {
  const CheckedCostModel costs(unchecked);
  const int largest = largest_degree(step, options);
  const auto degree = [&](std::optional<int> fixed, Pass pass) {
    return fixed ? *fixed : best_degree(step, costs, policy, pass, largest);
  };
  const LayerDegrees degrees{degree(options.forward_degree, Pass::kForward),
                             degree(options.backward_degree, Pass::kBackward)};
  Schedule schedule{policy, std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), degrees),
                    whole_unit_slices(step, policy)};
  if (policy == Policy::kLina) schedule.gradients = fixed_chunk_slices(step, costs, schedule.degrees, kLinaChunk);
  if (!partitions(policy)) return {std::move(schedule), std::nullopt};
  std::vector<int> backward(static_cast<std::size_t>(options.backward_degree ? 1 : largest));
  std::iota(backward.begin(), backward.end(), options.backward_degree.value_or(1));
  return PartitionPlanner(step, costs, std::move(schedule), backward).plan(options);
}

Schedule plan_schedule(const StepShape& step, const CostModel& costs, Policy policy, const ScheduleOptions& options) {
  return plan_schedule_with_report(step, costs, policy, options).schedule;
}

}  // namespace sextant
