// The setups that a search chooses from: everything that divides, level by level. A degree that is asked for leaves
// out all others.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <utility>
#include <vector>

#include "models/network.h"
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

// When a micro-batch's expert traffic moves, and how.
struct Exchange {
  PipelineSchedule pipeline = PipelineSchedule::k1F1B;
  int virtual_stages = 1;
  Dispatch dispatch = Dispatch::kFlat;
  Overlap overlap = Overlap::kNone;
  bool operator==(const Exchange&) const = default;
};
void set_exchange(TrainingSetup& setup, const Exchange& exchange);

inline constexpr std::array<int, 3> kZeroStages = {1, 2, 3};

// pp divides the devices, tp the heads (at most the devices of a node), cp the sequence, dp the batch, ep the experts,
// esp the expert's hidden dim and at most tp; micro-batches are powers of two up to 16 that divide; 1F1B, with virtual
// stages that divide the layers of a stage where micro-batches are multiples of pp; ZB-H1 from pp micro-batches on;
// DualPipe from 2 pp on, both even; every algorithm of dispatch, beside nothing, in chunks, 1, 2, 4 or 8 in the forward
// and in the backward, or beside the passes of another micro-batch, under DualPipe always, under 1F1B where
// can_pair_passes and nothing is recomputed in full (as Megatron-Core); ZeRO 1, 2 and 3. Setups that differ by chunks,
// split into stages or recomputation alone count as one.
class SetupSpace {
 public:
  explicit SetupSpace(const SetupRequest& request) : request_(request), chunk_degrees_(chunk_degrees_of(request)) {}

  // pp, dp, cp and tp; the expert grid is still 1.
  [[nodiscard]] std::vector<ParallelDegrees> attention_grids() const;
  // `attention` with every edp, ep and esp.
  [[nodiscard]] std::vector<ParallelDegrees> expert_grids(const ParallelDegrees& attention) const;
  // Samples of a replica at once.
  [[nodiscard]] std::vector<std::int64_t> micro_batches(const ParallelDegrees& degrees) const;
  // REQUIRES: degrees and micro-batches of `setup`.
  [[nodiscard]] std::vector<Exchange> exchanges(const TrainingSetup& setup) const;
  // Forward and backward, where an exchange is cut into chunks.
  [[nodiscard]] const std::vector<std::pair<int, int>>& chunk_degrees() const { return chunk_degrees_; }

 private:
  [[nodiscard]] static std::vector<std::pair<int, int>> chunk_degrees_of(const SetupRequest& request);
  // Schedules with their virtual stages.
  [[nodiscard]] std::vector<Exchange> pipelines(const TrainingSetup& setup) const;
  // Of the schedule, virtual stages and degrees in `setup`.
  [[nodiscard]] std::vector<Overlap> overlaps(const TrainingSetup& setup) const;

  const SetupRequest& request_;
  std::vector<std::pair<int, int>> chunk_degrees_;
};

}  // namespace sextant
