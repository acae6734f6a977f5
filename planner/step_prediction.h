// What a step of a plan should take, task by task where it can be simulated.
#pragma once

#include <array>
#include <optional>

#include "models/cost_model.h"
#include "planner/plan.h"
#include "planner/timeline.h"

namespace sextant {

// What one step kept busy. `busy_fraction` is of the step time. In a measured timeline a collective
// counts from its start on the rank to its end there, so waiting for a late peer is inside.
struct ResourceUse {
  std::array<double, kNumResources> busy_fraction{};
  Seconds exposed_communication;
};
[[nodiscard]] ResourceUse resource_use(const TimelineSummary& summary);

struct StepPrediction {
  Seconds step_time;
  Seconds step_time_low;
  Seconds step_time_high;
  Seconds exposed_communication;
  std::optional<Timeline> timeline;  // only where a cost model was given
  std::optional<ResourceUse> use;
};

// Simulates the plan's step on `costs`; without (null) repeats what the plan itself predicts.
[[nodiscard]] StepPrediction predict_step(const Plan& plan, const CostModel* costs);

}  // namespace sextant
