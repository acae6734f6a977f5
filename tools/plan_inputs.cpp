#include "tools/plan_inputs.h"

#include <fmt/format.h>

#include "models/layout.h"
#include "models/yaml_io.h"

namespace sextant {
PricedPlan load_priced_plan(const std::filesystem::path& plan_path,
                            const std::optional<std::filesystem::path>& cluster_path) {
  PricedPlan priced{.plan = load_plan(plan_path), .cluster = std::nullopt, .costs = nullptr, .warnings = {}};
  const Plan& plan = priced.plan;
  if (content_hash(network_to_yaml(plan.step.network)) != plan.network_hash) {
    priced.warnings.push_back(fmt::format("the network in {} was changed after planning", plan_path.string()));
  }
  if (!cluster_path) return priced;
  priced.cluster = load_cluster(*cluster_path);
  priced.costs = make_cost_model(*priced.cluster);
  if (content_hash(cluster_to_yaml(*priced.cluster)) != plan.cluster_hash) {
    priced.warnings.push_back(fmt::format("{} is not the cluster file that the plan was made with ({})",
                                          cluster_path->string(), plan.cluster_name));
  }
  return priced;
}

}  // namespace sextant
