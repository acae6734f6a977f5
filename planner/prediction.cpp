#include <algorithm>
#include <array>

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

Loads loads(const StepShape& step, const CostModel& costs, int degree) {
  Schedule schedule{Policy::kFsmoe,
                    std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), {degree, degree}),
                    whole_unit_slices(step, Policy::kFsmoe)};
  const TaskGraph graph = build_step_graph(step, schedule);
  Loads result{};
  for (const Task& task : graph.tasks) {
    const Seconds time = costs.cost(task.work).time;
    for (const Resource used : task.uses) result[static_cast<std::size_t>(used)] += time;
  }
  return result;
}

}  // namespace

Seconds step_lower_bound(const StepShape& step, const CostModel& costs, int max_degree) {
  const auto limit = static_cast<int>(std::min<std::int64_t>(max_degree, step.capacity()));
  Loads least = loads(step, costs, 1);
  for (int degree = 2; degree <= limit; ++degree) {
    const Loads other = loads(step, costs, degree);
    for (std::size_t r = 0; r < least.size(); ++r) least[r] = std::min(least[r], other[r]);
  }
  return *std::max_element(least.begin(), least.end());
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
  prediction.peak_memory = training_memory(step).total();
  const double tokens = static_cast<double>(step.global_batch() * step.sequence);
  prediction.tokens_per_s_per_device = tokens / prediction.step_time.value() / step.layout.world_size();
  if (device.peak > FlopsPerSecond(0.0)) {
    prediction.mfu = model_flops(graph, step.element_bytes) / device.peak / prediction.step_time;
  }
  prediction.worst_source = worst_source(graph, costs);
  return prediction;
}

}  // namespace sextant
