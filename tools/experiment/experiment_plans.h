// The plans of an experiment: the product of its lists, each point planned or skipped with the reason.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "planner/plan.h"
#include "tools/experiment/experiment_file.h"

namespace sextant {

// One plan. `name` says what is computed: network, batch and sequence, and the micro-batch where the file
// lists it. Plans of one name may be compared with each other.
struct ExperimentPlan {
  std::string name;
  Plan plan;
};

// A point of the product that has no plan, or the plan of another point.
struct SkippedPlan {
  std::string name;
  std::string schedule;
  std::string layout;
  std::string degrees;  // "2/2", "chosen"
  std::string reason;
};

struct ExperimentPlans {
  std::vector<ExperimentPlan> plans;
  std::vector<SkippedPlan> skipped;
};

// Ascending: those listed, and where the planner chooses every divisor of a batch.
[[nodiscard]] std::vector<std::int64_t> possible_micro_batches(const Experiment& experiment, int num_ranks);

// In the order of the file: networks, batches, sequences, micro-batches, layouts, schedules, degrees.
// Deterministic. `on_point` is called after every point with the number of points so far.
[[nodiscard]] ExperimentPlans plan_experiment(const Experiment& experiment, const Cluster& cluster,
                                              const Topology& topology, const std::function<void(int)>& on_point);

}  // namespace sextant
