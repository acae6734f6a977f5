// A plan with the cluster file that prices it, as the verbs that carry a plan out or simulate it read them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "planner/plan.h"

namespace sextant {

struct PricedPlan {
  Plan plan;
  std::optional<Cluster> cluster;
  std::unique_ptr<CostModel> costs;   // null without a cluster
  std::vector<std::string> warnings;  // network or cluster differ from those the plan was made for
};

// Throws ConfigError where a file cannot be read or is wrong.
[[nodiscard]] PricedPlan load_priced_plan(const std::filesystem::path& plan_path,
                                          const std::optional<std::filesystem::path>& cluster_path);

}  // namespace sextant
