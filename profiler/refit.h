// What a training run says of the cluster file that predicted it: which numbers were wrong, and by how much of the
// step.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "planner/plan.h"
#include "planner/timeline.h"

namespace sextant {

// One step of a run as every rank saw it.
struct MeasuredStep {
  std::string run;              // name of the run, for the labels of what it changes
  std::string date;             // of the run, ISO 8601
  std::vector<Timeline> ranks;  // [rank] spans of the tasks of the plan's graph
  Seconds mean_step_time{};     // of all steps; the spans are stretched to a step of this length
};

// One kind of work, or one number that many share.
struct RefitTerm {
  enum class Unit { kSeconds, kFactor };
  std::string name;     // "expert forward, 512 rows"
  Seconds predicted{};  // of the tasks behind it, a mean
  Seconds measured{};
  int samples = 0;
  bool is_off = false;  // measured differs from predicted by more than its own noise
  Unit unit = Unit::kSeconds;
  double old_value = 0.0;  // in the cluster file
  double new_value = 0.0;
  Seconds effect{};  // on the predicted step, of this change alone: other sizes that the run showed too stay
};

struct Refit {
  Cluster cluster;               // with the run folded in; the very same where nothing was off
  std::vector<RefitTerm> terms;  // works in order of appearance, then what they share
  Seconds measured{};            // of a step, the mean of all
  Seconds traced{};              // of the step whose spans these are: the last end on any rank
  Seconds before{};              // predicted with the cluster as given
  Seconds after{};               // predicted with `cluster`
  [[nodiscard]] bool is_worse() const;
  // The term whose change moves the predicted step most; absent where nothing was off.
  [[nodiscard]] std::optional<RefitTerm> most_wrong() const;
};

// Folds one step of a run into `cluster` (models/cluster_correction.h):
//   kernels        the mean span where nothing ran beside them; where they are shorter and waits longer than predicted,
//                  as on shared cores, they keep of the prediction what the waits have too much
//   collectives    the mean transfer, and Cluster::synchronization the mean wait, where nothing ran beside them, with
//                  what hand-overs take beyond their median; only when some collective's span or the hand-over is off:
//                  else prediction and run may cut the same time differently
//   hand-over      the median time from an end to the start of what waited for it on another queue
//   kernels never alone   the factor on their series at which their simulated spans last as long as the measured ones
//   contention     for each link beside work, and each pair in the cluster: the factor (1 to 8; where 1 is too much,
//                  the delay) at which the simulated spans of its tasks last as long as the measured ones
//   compute share  the factor on it at which kernels beside collectives last as long as measured
// Each of the last three by halving, in turn until none moves. A number is changed only where measured and predicted
// differ by more than two standard errors; a single sample, where it lies outside the profile's 10th to 90th
// percentile. Throws ModelError where the cluster cannot price the plan. REQUIRES: pp == 1, a timeline of every rank of
// the plan.
[[nodiscard]] Refit refit(const Plan& plan, const Cluster& cluster, const MeasuredStep& step);

}  // namespace sextant
