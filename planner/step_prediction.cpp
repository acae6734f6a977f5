#include "planner/step_prediction.h"

#include <utility>

#include "planner/schedule.h"
#include "planner/simulator.h"

namespace sextant {

ResourceUse resource_use(const TimelineSummary& summary) {
  ResourceUse use{.exposed_communication = summary.exposed_communication};
  if (summary.step_time <= Seconds(0.0)) return use;  // nothing costs anything
  for (int r = 0; r < kNumResources; ++r) use.busy_fraction[r] = summary.busy[r] / summary.step_time;
  return use;
}

StepPrediction predict_step(const Plan& plan, const CostModel* costs) {
  if (costs == nullptr) {
    return {.step_time = plan.prediction.step_time,
            .step_time_low = plan.prediction.step_time_low,
            .step_time_high = plan.prediction.step_time_high,
            .exposed_communication = plan.prediction.exposed_communication,
            .timeline = std::nullopt,
            .use = std::nullopt};
  }
  const TaskGraph graph = build_step_graph(plan.step, plan.schedule);
  Timeline timeline = simulate(graph, *costs);
  const ResourceUse use = resource_use(summarize(graph, timeline));
  return {.step_time = timeline.makespan(),
          .step_time_low = simulate(graph, *costs, Quantile::kLow).makespan(),
          .step_time_high = simulate(graph, *costs, Quantile::kHigh).makespan(),
          .exposed_communication = use.exposed_communication,
          .timeline = std::move(timeline),
          .use = use};
}

}  // namespace sextant
