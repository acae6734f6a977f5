// The schedule of a policy for a step: pipeline degrees and gradient slices.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "models/cost_model.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

struct ScheduleOptions {
  std::optional<int> forward_degree;
  std::optional<int> backward_degree;
  int max_degree = 16;
  bool paper_step2 = false;  // try Step 2 of the paper as well: thousands of evaluations for nothing but comparison
  bool sharded_optimizer =
      false;  // forecast ZeRO stage 1; needs costs of reduce-scatter and all-gather over dp and edp
};

// Where the gradient slices of a partitioning policy come from.
enum class PartitionMethod {
  kExact,       // degrees and slices together (gradient_partition_exact.h)
  kStep1,       // the paper's windows at the fastest degrees (gradient_partition.h)
  kStep2,       // the paper's numerical search on top (fsmoe_step2.h)
  kWholeUnits,  // each layer's gradients beside the next attention, not cut
};
inline constexpr int kNumPartitionMethods = 4;
[[nodiscard]] const char* to_text(PartitionMethod method);

// What was compared. Backward times are of the partition's model, without contention; step times are
// simulated, and the shortest decides.
struct ScheduleReport {
  Seconds step1_time;
  std::optional<Seconds> step2_time;  // absent unless asked for
  Seconds exact_time;
  Seconds bound;     // of the backward, whatever the degrees and slices
  double gap = 0.0;  // exact_time / bound - 1
  PartitionMethod chosen = PartitionMethod::kExact;
  std::array<std::optional<Seconds>, kNumPartitionMethods> step_times;
  // The same step with each rank's share of the gradients reduced and the parameters gathered after the
  // update (ZeRO stage 1): reductions in slots at their best, the gather exposed at the end. Only a
  // forecast: no schedule can ask for it yet. Absent unless asked for.
  std::optional<Seconds> sharded_optimizer_time;
};
// "backward 21.3 ms (step 1 22.0 ms, bound 21.3 ms, gap 0.00 %), exact partition"
[[nodiscard]] std::string to_text(const ScheduleReport& report);

struct PlannedSchedule {
  Schedule schedule;
  std::optional<ScheduleReport> report;  // of policies that partition gradients
};

// Degrees where not fixed: least block time, for partitioning policies in the backward the best together
// with the slices. Gradients by the policy's rule; partitioning policies take the best of
// PartitionMethod by simulation. Deterministic.
[[nodiscard]] PlannedSchedule plan_schedule_with_report(const StepShape& step, const CostModel& costs, Policy policy,
                                                        const ScheduleOptions& options);
[[nodiscard]] Schedule plan_schedule(const StepShape& step, const CostModel& costs, Policy policy,
                                     const ScheduleOptions& options);

}  // namespace sextant
