// A plan: everything that `sextant train` needs and what the planner predicts of it.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "models/memory_model.h"
#include "models/network.h"
#include "models/work.h"
#include "planner/fsmoe_algorithm1.h"
#include "planner/order_search.h"
#include "planner/schedule.h"
#include "planner/schedule_planner.h"

namespace sextant {

class ConfigNode;

struct Prediction {
  Seconds step_time;
  Seconds step_time_low;  // interval from the profile's own spread and residuals
  Seconds step_time_high;
  Seconds lower_bound;  // no schedule of this layout's tasks can be faster on the model
  Seconds exposed_communication;
  Bytes peak_memory;
  double tokens_per_s_per_device = 0.0;
  double mfu = 0.0;
  CostSource worst_source = CostSource::kMeasured;
};

// How the schedule was chosen: told with the plan, not kept in its file.
struct PlanNotes {
  std::optional<DegreeComparison> forward;  // the paper's Algorithm 1 beside the exact degree
  std::optional<DegreeComparison> backward;
  std::optional<ScheduleReport> partition;  // of the fsmoe schedule, from which a searched one starts
  std::optional<OrderReport> order;         // of a searched schedule
};

struct Plan {
  StepShape step;
  Schedule schedule;
  Prediction prediction;
  std::string network_hash;  // content_hash(network_to_yaml)
  std::string cluster_hash;  // content_hash(cluster_to_yaml)
  std::string cluster_name;
  PlanNotes notes = {};
};

// Schema sextant/plan@1.
[[nodiscard]] std::string plan_to_yaml(const Plan& plan);
// Throw ConfigError with path:line:column.
[[nodiscard]] Plan parse_plan(const ConfigNode& root);
[[nodiscard]] Plan load_plan(const std::filesystem::path& path);

}  // namespace sextant
