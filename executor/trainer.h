// The training loop: carries a plan out on real data and measures every step.
//
// All ranks start a step together (a barrier before it) and a step's time is that of the slowest rank,
// from the barrier to the end of the last task; choosing the samples and logging lie outside.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <vector>

#include "executor/data.h"
#include "executor/runtime/runtime.h"
#include "executor/transformer.h"
#include "planner/plan.h"
#include "planner/step_prediction.h"
#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

struct StepRecord {
  std::int64_t step = 0;  // 1 is the first
  StepResult result;      // dropped_fraction: mean over the ranks
  Seconds step_time;
  double tokens_per_s = 0.0;  // of the whole job: tokens of the global batch / step_time
};

// Called on every rank after every step, outside the time that is measured.
using StepCallback = std::function<void(const StepRecord&)>;

struct TrainOptions {
  std::int64_t steps = 100;  // the run ends after this step, wherever it started
  std::uint64_t seed = 1;    // of the initial parameters and of the samples
  OptimizerOptions optimizer;
  int traced_steps = 9;     // last steps from which the traced one is chosen
  SourcePartition sources;  // other than {1, 1} only in tests
  StepCallback on_step;
  std::filesystem::path checkpoint;   // where to save; empty: nowhere
  std::int64_t checkpoint_every = 0;  // steps between saves; 0: after the last step only
  std::filesystem::path resume_from;  // checkpoint to go on from; empty: start anew
};

// What a run is made of. References must outlive the call.
struct TrainJob {
  const Plan& plan;
  const StepPrediction& prediction;  // its timeline, where there is one, decides the order of issue
  const Corpus& corpus;
  std::shared_ptr<LayoutGroups> groups =
      nullptr;  // of the plan's layout, kept from run to run; null: made for this one
};

// Steps at the start that no statistic counts: caches are cold, memory is touched for the first time.
// A tenth of the steps, at least 3, but never so many that none is left.
[[nodiscard]] std::int64_t num_warmup_steps(std::int64_t num_steps);

struct TimeStatistics {
  Seconds mean;
  Seconds median;
  Seconds p10;
  Seconds p90;
};
// Quantiles interpolate linearly between order statistics. REQUIRES: at least one time.
[[nodiscard]] TimeStatistics time_statistics(std::vector<Seconds> times);

// The step of median time among the last ones, as every rank saw it.
struct TracedStep {
  std::int64_t step = 0;
  std::vector<Timeline> ranks;  // [rank]
};

struct TrainSummary {
  std::vector<StepRecord> records;
  std::int64_t num_warmup = 0;
  TimeStatistics step_time;  // without the warm-up, like everything measured below
  double tokens_per_s = 0.0;
  double first_loss = 0.0;
  double last_loss = 0.0;  // mean of the last 10 steps
  ResourceUse measured;    // mean over steps and ranks

  TaskGraph graph;
  TracedStep traced;
};

// Collective over `world`; every rank returns the same summary.
// Throws ConfigError when check_plan does, when the corpus does not suit it, when
// the loss stops being a finite number, or for a checkpoint (executor/checkpoint.h); a BackendError
// names the step and the task.
[[nodiscard]] TrainSummary train(World& world, const TrainJob& job, const TrainOptions& options);

// Throws ConfigError unless the plan is for `num_ranks` ranks and single precision.
void check_plan(const Plan& plan, int num_ranks);

}  // namespace sextant
