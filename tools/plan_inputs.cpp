#include "tools/plan_inputs.h"

#include <fmt/format.h>

#include "models/layout.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

std::vector<std::string> differences(const Plan& plan, const Cluster& cluster, const std::filesystem::path& path) {
  std::vector<std::string> found;
  if (content_hash(cluster_to_yaml(cluster)) != plan.cluster_hash) {
    found.push_back(fmt::format("{} is not the cluster file that the plan was made with ({}): the prediction may differ",
                                path.string(), plan.cluster_name));
  }
  return found;
}

}  // namespace

PricedPlan load_priced_plan(const std::filesystem::path& plan_path,
                            const std::optional<std::filesystem::path>& cluster_path) {
  PricedPlan priced{.plan = load_plan(plan_path), .cluster = std::nullopt, .costs = nullptr, .warnings = {}};
  if (!cluster_path) return priced;
  priced.cluster = load_cluster(*cluster_path);
  priced.costs = make_cost_model(*priced.cluster);
  priced.warnings = differences(priced.plan, *priced.cluster, *cluster_path);
  return priced;
}

}  // namespace sextant
