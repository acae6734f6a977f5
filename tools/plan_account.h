// What a plan file decides and is predicted to cost, term by term: plans of the bundled executor (planner/plan.h) and
// setups on reference clusters (planner/setup_plan.h) told in one form, for comparisons.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "models/memory_model.h"
#include "models/units.h"
#include "planner/setup_plan.h"

namespace sextant {

struct TimeTerm {
  std::string group;  // "compute", "exposed communication", "bubble", "waiting", "rest"
  std::string name;   // "dispatch"
  std::string links;  // of communication: "intra", "inter", "intra+inter"; else empty
  Seconds time;
};

struct BusyTime {
  std::string resource;
  Seconds time;
};

struct PlanAccount {
  std::string path;
  std::string schema;
  std::string network;
  std::string cluster;
  std::string network_hash;
  std::string cluster_hash;
  std::vector<std::pair<std::string, std::string>> decisions;  // "dp": "4", in a fixed order
  Prediction prediction;
  std::vector<TimeTerm> times;        // sum to the step time; empty where nothing prices the tasks
  std::vector<BusyTime> busy;         // of executable plans, where something prices the tasks
  std::vector<MemoryTerm> memory;     // sum to the peak memory
  std::vector<std::string> warnings;  // network or cluster differ from those the plan was made for
};

// Reads a plan or a setup; `cluster` prices the tasks of plans, which hold no times of their own, and is not used for
// setups. Throws ConfigError path:line:column.
[[nodiscard]] PlanAccount load_plan_account(const std::filesystem::path& path,
                                            const std::optional<std::filesystem::path>& cluster);

[[nodiscard]] PlanAccount account_of(const SetupPlan& setup);
// `costs` may be null: then nothing is known of the parts of the step time.
[[nodiscard]] PlanAccount account_of(const Plan& plan, const CostModel* costs);

}  // namespace sextant
