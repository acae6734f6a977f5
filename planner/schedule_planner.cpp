#include <algorithm>

#include "planner/fixed_chunks.h"
#include "planner/gradient_partition.h"
#include "planner/layout_search.h"
#include "planner/moe_block.h"
#include "planner/pipeline_degree.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

int best_degree(const StepShape& step, const CostModel& costs, Policy policy, Pass pass, int max_degree) {
  if (policy == Policy::kSequential) return 1;
  const BlockOptions options{.gradient = {}, .gradient_ready = {}, .launch_latency = costs.launch_latency()};
  const auto limit = static_cast<int>(std::min<std::int64_t>(max_degree, step.capacity()));
  const auto times = [&](int degree) { return chunk_times(step, costs, pass, degree); };
  return choose_degree(times, limit, options, block_queues(step, policy)).degree;
}

bool partitions(Policy policy) { return policy == Policy::kFsmoe || policy == Policy::kFsmoeNoIio; }

Seconds simulated_time(const StepShape& step, const Schedule& schedule, const CostModel& costs) {
  return simulate(build_step_graph(step, schedule), costs).makespan();
}

}  // namespace

Schedule plan_schedule(const StepShape& step, const CostModel& costs, Policy policy, const ScheduleOptions& options) {
  const auto degree = [&](std::optional<int> fixed, Pass pass) {
    return fixed ? *fixed : best_degree(step, costs, policy, pass, options.max_degree);
  };
  const LayerDegrees degrees{degree(options.forward_degree, Pass::kForward),
                             degree(options.backward_degree, Pass::kBackward)};
  Schedule schedule{policy, std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), degrees),
                    whole_unit_slices(step, policy)};
  if (policy == Policy::kLina) schedule.gradients = fixed_chunk_slices(step, costs, schedule.degrees, kLinaChunk);
  if (!partitions(policy)) return schedule;
  Schedule partitioned = schedule;
  partitioned.gradients = partition_greedily(step, costs, gradient_windows(step, costs, policy, schedule.degrees));
  const bool better = simulated_time(step, partitioned, costs) < simulated_time(step, schedule, costs);
  return better ? partitioned : schedule;
}

}  // namespace sextant
