// The best issue order beyond the paper's: what each extension gains over `fsmoe`, and all together.
#pragma once

#include <array>
#include <optional>
#include <string>

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"
#include "planner/schedule_planner.h"

namespace sextant {

// What `fsmoe` does not do. In each the issue order is free: found by list scheduling (list_scheduler.h).
enum class OrderExtension {
  kFreeOrder,            // fsmoe's own tasks: combines before later dispatches, slices wherever a link idles
  kSplitExpertBackward,  // weight gradients of the experts as tasks that fill gaps (Lancet, MLSys 2024)
  kMicroBatchOverlap,    // attention and gate of one micro-batch under the all-to-alls of another (FlowMoE, 2025)
  kGradientChunks,       // all-reduce in chunks of one size, at the lowest priority (FlowMoE, 2025)
  kSimulatedDegrees,     // one pair of degrees for all layers, by simulating the step instead of one block
};
inline constexpr int kNumOrderExtensions = 5;
[[nodiscard]] const char* to_text(OrderExtension extension);

struct OrderSearchOptions {
  ScheduleOptions schedule;     // fixed degrees stay fixed
  std::optional<Bytes> memory;  // of one rank: what needs more is not tried; absent: no limit
  int micro_batches = 3;        // the search looks at a step of at most so many; the result is for all
  int perturbations = 24;       // random changes of the urgencies that are tried at the end
  std::uint64_t seed = 1;       // of the perturbations
};

// Step times, simulated with contention.
struct OrderReport {
  Seconds fsmoe_time;
  // Each extension alone on top of fsmoe; absent where it does not apply (one micro-batch, no gradients to
  // reduce) or does not fit into memory.
  std::array<std::optional<Seconds>, kNumOrderExtensions> alone;
  Seconds best_time;
  Seconds lower_bound;  // step_lower_bound: no order of these tasks is faster on the model
  int evaluated = 0;    // orders simulated
};
// "searched 20.1 ms, fsmoe 21.3 ms (-5.6 %), lower bound 19.8 ms (+1.5 %); alone: free order -0.2 %, ..."
[[nodiscard]] std::string to_text(const OrderReport& report);

struct OrderedSchedule {
  Schedule schedule;  // Policy::kSearched
  OrderReport report;
};

// Starts from the fsmoe schedule, adds the extension that helps most until none does, and varies the
// urgencies at last. Never slower on the model than fsmoe. Deterministic.
[[nodiscard]] OrderedSchedule search_order(const StepShape& step, const CostModel& costs,
                                           const OrderSearchOptions& options);

}  // namespace sextant
