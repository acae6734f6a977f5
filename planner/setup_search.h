// The fastest training setup of a network on a machine known by reference, by branch and bound over the whole space.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "models/cluster.h"
#include "models/memory_model.h"
#include "models/step_estimate.h"
#include "models/training_setup.h"
#include "planner/setup_space.h"

namespace sextant {

struct FoundSetup {
  TrainingSetup setup;
  StepEstimate estimate;
  MemoryBreakdown memory;
};

struct SetupSearchSummary {
  std::int64_t setups = 0;     // in the space: everything that divides
  std::int64_t evaluated = 0;  // priced one by one, or found too large together
  std::int64_t pruned = 0;     // in parts of the space whose bound is above the last setup returned
  std::int64_t too_large = 0;  // of these; they do not fit into memory
  Seconds pruned_bound;        // least lower bound of all that was pruned; 0 where nothing was
  Seconds search_time;
  // Of the setups that do not fit, the one that misses the memory least.
  std::optional<FoundSetup> nearest_miss;
};

struct SetupResult {
  std::vector<FoundSetup> setups;  // fastest first, at most `top`; empty: nothing fits
  SetupSearchSummary summary;
  // The least that any setup of the space that fits can take: the fastest priced, or less where a bound of what
  // was pruned is below it. REQUIRES: a setup was found.
  [[nodiscard]] Seconds lower_bound() const;
};

// The fastest setups of the space (planner/setup_space.h), each with the split of the layers into stages and the
// recomputation of each of these that are the fastest that fit, both chosen together (planner/stage_choice.h), and the
// fastest numbers of chunks. The setups returned are the same every time; how many were pruned depends on which thread
// was first. REQUIRES: cluster.reference. Throws ConfigError for a batch, sequence, balance or number of chunks below
// 1, for several chunks beside another overlap, and for an invalid topology.
[[nodiscard]] SetupResult search_setups(const SetupRequest& request, const Cluster& cluster);

// The fastest setup of the space if it takes less than `than`, which spares the search all that does not. REQUIRES and
// throws as above.
[[nodiscard]] std::optional<FoundSetup> search_faster_setup(SetupRequest request, const Cluster& cluster, Seconds than);

// The same space without bounds but for numbers of chunks, which are tried until their bounds exceed the fastest: for
// tests.
[[nodiscard]] SetupResult search_setups_by_enumeration(const SetupRequest& request, const Cluster& cluster);

}  // namespace sextant
