// The fastest training setup of a network on a machine known by reference: every degree, micro-batch, pipeline
// schedule, split into stages, ZeRO stage, recomputation, dispatch and its overlap, by branch and bound over the whole
// space.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "models/memory_model.h"
#include "models/network.h"
#include "models/step_estimate.h"
#include "models/training_setup.h"

namespace sextant {

struct SetupRequest {
  Network network;
  std::int64_t global_batch = 0;  // samples a step
  std::int64_t sequence = 0;
  Topology topology;  // nodes and devices of a node to plan for
  Precision precision = Precision::kBf16;
  // The busiest rank's rows of its experts, in rows of the mean rank (TrainingSetup::expert_imbalance).
  double balance = 1.0;
  // --fix: only setups with these.
  std::optional<int> pp, dp, cp, tp, edp, ep, esp;
  std::optional<std::int64_t> micro_batch;
  std::optional<PipelineSchedule> pipeline;  // a single stage counts as 1F1B
  std::optional<Recompute> recompute;        // on every stage; absent: each stage its own
  std::optional<Overlap> overlap;
  std::optional<int> forward_degree, backward_degree;  // chunks of the MoE block; what has no chunks has degrees of 1
  int top = 1;                                         // setups returned
  int threads = 0;                                     // 0: one for each core; the answer is the same with any number
};

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

// What is searched: pp divides the devices, tp the heads (at most the devices of a node), cp the sequence, dp the
// batch, ep the experts, esp the expert's hidden dim and at most tp; micro-batches are powers of two up to 16 that
// divide; 1F1B, with virtual stages that divide the layers of a stage where micro-batches are multiples of pp; ZB-H1
// from pp micro-batches on; DualPipe from 2 pp on, both even; every algorithm of dispatch, beside nothing, in
// chunks, 1, 2, 4 or 8 in the forward and in the backward, or beside the passes of another micro-batch, under
// DualPipe always, under 1F1B where can_pair_passes and nothing is recomputed in full (as Megatron-Core); ZeRO 1, 2 and
// 3; of each the fastest split of the layers into stages that fits, recomputation none, selective or full for each of
// these stages, both chosen together (planner/stage_choice.h), and the fastest numbers of chunks: one setup of the
// space. The setups returned are the same every time; how many were pruned depends on which thread was first. REQUIRES:
// cluster.reference. Throws ConfigError for a batch, sequence, balance or number of chunks below 1, for several chunks
// beside another overlap, and for an invalid topology.
[[nodiscard]] SetupResult search_setups(const SetupRequest& request, const Cluster& cluster);

// The fastest setup of the space if it takes less than `than`, which spares the search all that does not. REQUIRES and
// throws as above.
[[nodiscard]] std::optional<FoundSetup> search_faster_setup(SetupRequest request, const Cluster& cluster, Seconds than);

// The same space without bounds but for numbers of chunks, which are tried until their bounds exceed the fastest: for
// tests.
[[nodiscard]] SetupResult search_setups_by_enumeration(const SetupRequest& request, const Cluster& cluster);

}  // namespace sextant
