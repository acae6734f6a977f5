// Cluster files: what loads reads back the same and prices a plan of a small network, which loads again.
#include <algorithm>

#include "models/cluster.h"
#include "models/yaml_io.h"
#include "planner/layout_search.h"
#include "planner/setup_search.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/small_inputs.h"
#include "tools/plan_table.h"
#include "tools/setup_table.h"

namespace sextant::fuzz {
namespace {

// A part of the cluster that a search covers in milliseconds.
Topology part_of(const Topology& topology) {
  return {.nodes = std::min(topology.nodes, 2), .devices_per_node = std::min(topology.devices_per_node, 2)};
}

void require_setups(const Cluster& cluster) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp8}) {
    const SetupRequest request{.network = small_network(),
                               .global_batch = 4,
                               .sequence = 8,
                               .topology = part_of(cluster.topology),
                               .precision = precision,
                               .threads = 1};
    const auto result = answer([&] { return search_setups(request, cluster); }, false);
    if (!result) continue;
    for (const FoundSetup& found : result->setups) require_time(found.estimate.total());
    SEXTANT_CHECK(!result->setups.empty() || result->summary.nearest_miss, "neither a setup nor a miss");
    static_cast<void>(setup_result_json(request, cluster, *result));
  }
}

void require_plans(const Cluster& cluster) {
  SearchRequest request;
  request.network = small_network();
  request.global_batch = 2;
  request.sequence = 8;
  request.policy = Policy::kFsmoe;
  request.topology = part_of(cluster.topology);
  request.tp = 1;
  request.micro_batch = 1;
  request.max_degree = 2;
  const PlanResult result = search_plans(request, cluster);
  for (const Plan& plan : result.plans) {
    require_time(plan.prediction.step_time);
    const std::string text = plan_to_yaml(plan);
    SEXTANT_CHECK(plan_to_yaml(parse_plan(ConfigNode::parse(text, kOrigin))) == text, "a plan that changes: {}", text);
  }
  SEXTANT_CHECK(!result.plans.empty() || !result.summary.rejected.empty(), "neither a plan nor a reason");
  static_cast<void>(plan_result_json(result));
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  const auto cluster =
      fuzz::answer([&] { return parse_cluster(ConfigNode::parse(fuzz::text_of(data, size), fuzz::kOrigin)); });
  if (!cluster) return 0;
  const std::string text = cluster_to_yaml(*cluster);
  SEXTANT_CHECK(parse_cluster(ConfigNode::parse(text, fuzz::kOrigin)) == *cluster, "changed: {}", text);
  if (cluster->reference) {
    fuzz::require_setups(*cluster);
  } else {
    fuzz::require_plans(*cluster);
  }
  return 0;
}
