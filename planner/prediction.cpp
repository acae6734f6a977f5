#include <algorithm>
#include <array>
#include <map>
#include <set>
#include <utility>

#include "models/memory_model.h"
#include "planner/layout_search.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

CostSource worst_source(const TaskGraph& graph, const CostModel& costs) {
  CostSource worst = CostSource::kMeasured;
  for (const Task& task : graph.tasks) worst = std::max(worst, costs.cost(task.work).source);
  return worst;
}

// Forward and backward products of the model, three forward costs in all, as MFU counts them.
Flops model_flops(const TaskGraph& graph, int element_bytes) {
  Flops total;
  for (const Task& task : graph.tasks) {
    if (const auto* kernel = std::get_if<KernelWork>(&task.work)) {
      if (task.phase != Phase::kUpdate) total += count(*kernel, element_bytes).flops;
    }
  }
  return total;
}

using Loads = std::array<Seconds, kNumResources>;

bool is_chunk_task(const Task& task) {
  switch (task.kind) {
    case TaskKind::kDispatch:
    case TaskKind::kExpertGather:
    case TaskKind::kExpert:
    case TaskKind::kExpertWeightGradient:
    case TaskKind::kExpertScatter:
    case TaskKind::kCombine:
      return true;
    default:
      return false;
  }
}

// The step at one chunk a block: every task outside the MoE blocks, and one of each kind inside.
TaskGraph unpipelined_graph(const StepShape& step) {
  const Schedule schedule{Policy::kSequential,
                          std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), {1, 1}),
                          whole_unit_slices(step, Policy::kSequential)};
  return build_step_graph(step, schedule);
}

// `work` of a whole block, restricted to `rows` of its `capacity`.
Work part_of(Work work, std::int64_t rows, std::int64_t capacity) {
  if (auto* kernel = std::get_if<KernelWork>(&work)) {
    kernel->shape.rows = kernel->shape.rows / capacity * rows;
  } else {
    auto& collective = std::get<CollectiveWork>(work);
    collective.buffer = collective.buffer * (static_cast<double>(rows) / static_cast<double>(capacity));
  }
  return work;
}

// Least time over all degrees up to `limit` that the chunks of one block occupy their resource.
Seconds least_chunk_time(const Work& whole, const CostModel& costs, std::int64_t capacity, int limit) {
  Seconds least = costs.cost(whole).time;
  for (int degree = 2; degree <= limit; ++degree) {
    Seconds total;
    for (int chunk = 0; chunk < degree; ++chunk) {
      total += costs.cost(part_of(whole, chunk_range(capacity, chunk, degree).rows(), capacity)).time;
    }
    least = std::min(least, total);
  }
  return least;
}

// The same for the backward of the experts, whole or in its two halves.
Seconds least_expert_backward_time(const Work& whole, const CostModel& costs, std::int64_t capacity, int limit) {
  Seconds halves;
  for (const Pass half : {Pass::kInputGradient, Pass::kWeightGradient}) {
    KernelWork work = std::get<KernelWork>(whole);
    work.pass = half;
    halves += least_chunk_time(work, costs, capacity, limit);
  }
  return std::min(halves, least_chunk_time(whole, costs, capacity, limit));
}

// Least time over all cuts into up to `limit` equal slices that reducing a group's gradients occupies
// its links.
Seconds least_reduction_time(const StepShape& step, const CostModel& costs, GroupKind group, int limit) {
  std::int64_t elements = 0;
  for (int unit = 0; unit < num_gradient_units(step); ++unit) elements += gradient_elements(step, group, unit);
  Seconds least = costs.collective(gradient_reduce_work(step, group, elements)).time;
  for (int slices = 2; slices <= limit; ++slices) {
    least = std::min(least, slices * costs.collective(gradient_reduce_work(step, group, elements / slices)).time);
  }
  return least;
}

}  // namespace

Seconds step_lower_bound(const StepShape& step, const CostModel& costs, int max_degree) {
  const std::int64_t capacity = step.capacity();
  const auto limit = static_cast<int>(std::min<std::int64_t>(max_degree, capacity));
  std::map<std::pair<TaskKind, Phase>, Seconds> chunk_times;  // layers and micro-batches are alike
  std::set<GroupKind> reduced;
  Loads loads{};
  for (const Task& task : unpipelined_graph(step).tasks) {
    Seconds time;
    if (task.kind == TaskKind::kGradientReduce) {
      if (!reduced.insert(*task.group).second) continue;
      time = least_reduction_time(step, costs, *task.group, 4 * step.network.layers);
    } else if (is_chunk_task(task)) {
      const auto [entry, is_new] = chunk_times.try_emplace({task.kind, task.phase});
      const bool is_split = task.kind == TaskKind::kExpert && task.phase == Phase::kBackward;
      if (is_new) {
        entry->second = (is_split ? least_expert_backward_time : least_chunk_time)(task.work, costs, capacity, limit);
      }
      time = entry->second;
    } else {
      time = costs.cost(task.work).time;
    }
    for (const Resource used : task.uses) loads[static_cast<std::size_t>(used)] += time;
  }
  return *std::max_element(loads.begin(), loads.end());
}

Prediction predict(const StepShape& step, const Schedule& schedule, const CostModel& costs, const DeviceSpec& device) {
  const TaskGraph graph = build_step_graph(step, schedule);
  const Timeline timeline = simulate(graph, costs);
  Prediction prediction;
  prediction.step_time = timeline.makespan();
  prediction.step_time_low = simulate(graph, costs, Quantile::kLow).makespan();
  prediction.step_time_high = simulate(graph, costs, Quantile::kHigh).makespan();
  prediction.exposed_communication = summarize(graph, timeline).exposed_communication;
  prediction.lower_bound = std::min(step_lower_bound(step, costs, 16), prediction.step_time);
  prediction.peak_memory = training_memory(step, schedule.overlap).total();
  const double tokens = static_cast<double>(step.global_batch() * step.sequence);
  prediction.tokens_per_s_per_device = tokens / prediction.step_time.value() / step.layout.world_size();
  if (device.peak > FlopsPerSecond(0.0)) {
    prediction.mfu = model_flops(graph, step.element_bytes) / device.peak / prediction.step_time;
  }
  prediction.worst_source = worst_source(graph, costs);
  return prediction;
}

}  // namespace sextant
