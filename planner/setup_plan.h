// A plan for a machine known by reference as a file: a training setup, what it is predicted to cost term by term, and
// why the bundled executor does not carry it out. Plans that it does carry out: planner/plan.h.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "planner/plan.h"
#include "planner/setup_search.h"

namespace sextant {

// How far predictions on reference clusters are from published runs, as a share: about four of five 16-bit runs
// on A100 and H100 lie within (`sextant validate`). The interval of a setup's step time.
inline constexpr double kReferenceSpread = 0.2;

struct SetupPlan {
  Network network;
  Topology topology;
  FoundSetup found;
  // lower_bound: of every setup of the space searched that fits. mfu: of the 16-bit peak.
  Prediction prediction;
  std::string network_hash;  // content_hash(network_to_yaml)
  std::string cluster_hash;  // content_hash(cluster_to_yaml)
  std::string cluster_name;
};

[[nodiscard]] Prediction predict_setup(const SetupRequest& request, const Cluster& cluster, const FoundSetup& found,
                                       Seconds lower_bound);

// The setups that a search found, fastest first.
[[nodiscard]] std::vector<SetupPlan> setup_plans(const SetupRequest& request, const Cluster& cluster,
                                                 const SetupResult& result);

// What stands between a setup and the bundled executor: "the cluster is known by reference only; the bundled executor
// has no pipeline stages, ZeRO-1, bf16".
[[nodiscard]] std::string why_not_executable(const TrainingSetup& setup);

inline constexpr const char* kSetupSchema = "sextant/setup@1";
[[nodiscard]] std::string setup_plan_to_yaml(const SetupPlan& plan);
// Throw ConfigError with path:line:column; also where the terms do not sum to the totals beside them.
[[nodiscard]] SetupPlan parse_setup_plan(const ConfigNode& root);
[[nodiscard]] SetupPlan load_setup_plan(const std::filesystem::path& path);

}  // namespace sextant
