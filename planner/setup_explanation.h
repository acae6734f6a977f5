// Why a search over setups returned what it did: the term that decides, what binds, and everything that was assumed
// rather than searched.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/setup_memory.h"
#include "models/step_estimate.h"
#include "planner/setup_search.h"

namespace sextant {

// The term that most of a setup's distance from the fastest one comes from; absent where it is as fast.
struct DecidingTerm {
  StepTerm term = StepTerm::kProducts;
  Seconds difference;
};
[[nodiscard]] std::optional<DecidingTerm> deciding_term(const FoundSetup& found, const FoundSetup& fastest);
// "+3.1 ms exposed dispatch on the inter tier"
[[nodiscard]] std::string to_text(const DecidingTerm& deciding, const TrainingSetup& setup, const Topology& topology);

// "hides 412 ms of dispatch behind the experts, in 2 chunks forward and 4 backward"; "hides 1.2 s of dispatch behind
// the passes of another micro-batch"; empty where nothing is hidden.
[[nodiscard]] std::string hidden_phrase(const FoundSetup& found);

// "8 stages x (2 dp x 1 cp x 8 tp | 2 edp x 8 ep x 1 esp); tp intra, ep intra, pp inter, gradients inter"
[[nodiscard]] std::string rank_grid(const TrainingSetup& setup, const Topology& topology);

enum class Constraint { kNone, kMemory, kFixed };
[[nodiscard]] const char* to_text(Constraint constraint);

// What keeps the fastest setup from being faster: the memory of the device, else what the request fixes (degrees,
// micro-batch), found by searching again without it. REQUIRES: a setup was found.
struct BindingConstraint {
  Constraint constraint = Constraint::kNone;
  std::optional<FoundSetup> without;  // the fastest setup if it did not bind
};
[[nodiscard]] BindingConstraint binding_constraint(const SetupRequest& request, const Cluster& cluster,
                                                   const SetupResult& result);
[[nodiscard]] std::string to_text(const BindingConstraint& binding, const Cluster& cluster, const FoundSetup& fastest);

// Something that holds for every setup of a search without having been asked for.
struct InheritedDefault {
  std::string name;
  std::string value;
  std::string from;  // "not searched", "network file", "framework assumption", "memory assumption"
};
[[nodiscard]] std::vector<InheritedDefault> inherited_defaults(const SetupRequest& request,
                                                               const FrameworkAssumptions& framework = {},
                                                               const MemoryAssumptions& memory = {});

// How evenly experts are loaded in the model of a step.
[[nodiscard]] std::string balance_assumed(const SetupRequest& request);

}  // namespace sextant
