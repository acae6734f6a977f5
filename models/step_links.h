// What kind of time a term of a step estimate is, and over which links its communication goes.
#pragma once

#include <optional>
#include <string>

#include "models/cost_model.h"
#include "models/layout.h"
#include "models/step_estimate.h"
#include "models/training_setup.h"

namespace sextant {

enum class TermClass {
  kCompute,
  kCommunication,  // exposed: what of a collective nothing hides
  kBubble,
  kRest,  // waiting for the host, the optimizer's update, and what a step costs besides
};
inline constexpr int kNumTermClasses = 4;
[[nodiscard]] const char* to_text(TermClass term_class);

[[nodiscard]] TermClass class_of(StepTerm term);

// Of communication, the slowest links that any of its groups uses: inter where one reaches beyond its node, else
// intra. Absent where no group has two ranks, and for what is no communication. Groups are those of
// models/step_estimate.h: consecutive members a fixed number of ranks apart, nodes of consecutive ranks.
[[nodiscard]] std::optional<Resource> link_of(StepTerm term, const TrainingSetup& setup, const Topology& topology);

// "dispatch", "exposed dispatch on the inter tier": a term as sentences name it.
[[nodiscard]] std::string term_phrase(StepTerm term, const std::optional<Resource>& link);

}  // namespace sextant
