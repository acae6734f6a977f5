// The layers of each pipeline stage under a training setup, and what each computes again, so that its step is fastest
// and every stage fits.
#pragma once

#include <optional>
#include <vector>

#include "models/cluster.h"
#include "models/network.h"
#include "models/setup_memory.h"
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
  // All must outlive this. REQUIRES: cluster.reference.
  StageChoice(const Network& network, const TrainingSetup& setup, const Cluster& cluster, const StageOptions& options);

  // A lower bound of what the stages add to the step beyond stages that all were the mean of the network with least
  // computed again (estimate_even_step): of slowest * max t_i + sum * (sum of t_i), see StageWeights. Nothing where
  // nothing fits.
  [[nodiscard]] std::optional<Seconds> added_at_least();
  // The setup with stages and recomputation. REQUIRES: added_at_least() gave a value.
  [[nodiscard]] TrainingSetup choose();

 private:
  // Of one recomputation.
  struct Times {
    Recompute recompute = Recompute::kNone;
    Seconds dense, moe, head;
    Seconds of_all;  // layers and head
  };
  // The least time of a stage among the recomputations that fit.
  struct Entry {
    Seconds time{-1.0};  // negative: not known yet
    std::size_t choice = 0;
  };

  void add(Recompute recompute, const Cluster& cluster);
  [[nodiscard]] int num_dense(const StageLayers& layers) const;
  [[nodiscard]] Seconds time(const Times& times, const StageLayers& layers) const;
  template <typename Time>
  [[nodiscard]] StageSplitProblem problem(const Times& fastest, Time time) const;
  [[nodiscard]] std::vector<int> fastest_split(const Times& times) const;
  bool keep_if_it_fits(const Times& times);
  [[nodiscard]] Entry least(const StageLayers& layers) const;
  const Entry& at(const StageLayers& layers);
  [[nodiscard]] TrainingSetup chosen(const std::vector<int>& split, const std::vector<Recompute>& recomputes) const;

  const Network& n_;
  const TrainingSetup& s_;
  std::optional<Bytes> memory_;
  StageMemory of_stages_;
  StageWeights weights_;
  std::vector<int> dense_before_;            // [layers + 1] dense layers before the n-th
  std::vector<Times> times_;                 // fastest first
  Seconds slowest_;                          // the least that the slowest stage can take of what fits
  std::vector<std::vector<Entry>> entries_;  // [stages][(dense, layers)]
  std::optional<TrainingSetup> chosen_;      // where one recomputation does for all stages
};

// `setup` with stage_layers, recompute and stage_recompute chosen; stage_layers empty where the even split is best.
// Nothing where nothing fits. Exact for 1F1B and ZB-H1: no other contiguous split with other recomputations of its
// stages that fits gives a faster step (models/step_estimate.h). A stage computes again what takes least time of what
// fits, and the split is that of models/stage_split.h. DualPipe, whose devices hold a stage of each direction and so
// all need about as much memory, gets one recomputation for all stages, the first that fits on its fastest split.
[[nodiscard]] std::optional<TrainingSetup> choose_stages(const Network& network, const TrainingSetup& setup,
                                                         const Cluster& cluster, const StageOptions& options = {});

}  // namespace sextant
