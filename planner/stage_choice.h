// The layers of each pipeline stage under a training setup, and what each computes again, so that its step is fastest
// and every stage fits.
#pragma once

#include <limits>
#include <optional>
#include <vector>

#include "models/cluster.h"
#include "models/network.h"
#include "models/setup_memory.h"
#include "models/stage_room.h"
#include "models/stage_split.h"
#include "models/step_estimate.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

struct StageOptions {
  std::optional<Bytes> memory{};        // of a device; absent: everything fits
  std::vector<Recompute> recomputes{};  // of which each stage gets one; empty: what setup.recompute says
};

// The choice in two parts, so that a search can leave out the longer one.
class StageChoice {
 public:
  static constexpr Seconds kAnyTime{std::numeric_limits<double>::infinity()};

  // All must outlive this. REQUIRES: cluster.reference.
  StageChoice(const Network& network, const TrainingSetup& setup, const Cluster& cluster, const StageOptions& options);
  StageChoice(const StageChoice&) = delete;
  StageChoice& operator=(const StageChoice&) = delete;

  // A lower bound of what the stages add to the step beyond stages that all were the mean of the network with least
  // computed again (estimate_even_step): of slowest * max t_i + sum * (sum of t_i), see StageWeights. Where every
  // choice adds more than `at_most` not the best bound above that, which would take longer. Nothing where nothing fits,
  // if that is found out.
  [[nodiscard]] std::optional<Seconds> added_at_least(Seconds at_most = kAnyTime);
  // The setup with stages and recomputation; nothing where every choice adds more than `at_most`, or than what
  // added_at_least was asked for. REQUIRES: added_at_least() gave a value.
  [[nodiscard]] std::optional<TrainingSetup> choose(Seconds at_most = kAnyTime);

 private:
  [[nodiscard]] Seconds added(Seconds slowest_stage) const;
  [[nodiscard]] SplitObjective objective(Seconds added) const;
  [[nodiscard]] Seconds slowest_at_most(Seconds added) const;
  Seconds slower(Seconds slowest_stage);
  [[nodiscard]] StageWay way(Recompute recompute) const;
  [[nodiscard]] bool fits(const StageSplit& split, Recompute recompute);
  Seconds keep(const StageSplit& split, const std::vector<Recompute>& recomputes);

  const Network& n_;
  const TrainingSetup& s_;
  const Cluster& cluster_;
  std::optional<Bytes> memory_;
  std::vector<Recompute> recomputes_;  // those that may be worth it, the fastest first
  StageWeights weights_;
  std::optional<StageMemory> of_stages_;  // where memory is limited, as the next
  std::optional<StageRoom> room_;         // where a device holds one stage
  StageSplitProblem problem_;             // its ways are recomputes_
  Seconds of_all_;                        // layers and head, in the fastest way
  bool is_slower_ = false;                // than asked for, every choice
  std::optional<TrainingSetup> chosen_;
};

// `setup` with stage_layers, recompute and stage_recompute chosen; stage_layers empty where the even split is best.
// Nothing where nothing fits. Exact for 1F1B and ZB-H1: no other contiguous split with other recomputations of its
// stages that fits gives a faster step (models/step_estimate.h). A stage computes again what takes least time of what
// fits, and the split is that of models/stage_split.h. DualPipe, whose devices hold a stage of each direction and so
// all need about as much memory, gets one recomputation for all stages, the first that fits on its fastest split.
[[nodiscard]] std::optional<TrainingSetup> choose_stages(const Network& network, const TrainingSetup& setup,
                                                         const Cluster& cluster, const StageOptions& options = {});

}  // namespace sextant
