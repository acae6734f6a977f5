// Time of one pipelined MoE block of a step: r chunks of dispatch, gather, expert, scatter, combine.
//
// Symbols and closed forms: models/chunk_pipeline.h.
#pragma once

#include "models/chunk_pipeline.h"
#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

// The queues that `policy` gives the block in this layout: three only if the links are disjoint.
[[nodiscard]] BlockQueues block_queues(const StepShape& step, Policy policy);

// Costs of a chunk of the block cut in `degree` parts. Where the capacity does not divide, parts differ by
// one row; the mean over the parts is returned, which keeps every queue's load exact and the makespan to
// about 0.1 % (the cost of the largest part would overstate both by a row in every part).
[[nodiscard]] ChunkTimes chunk_times(const StepShape& step, const CostModel& costs, Pass pass, int degree);

struct BlockOptions {
  Seconds gradient;        // G
  Seconds gradient_ready;  // when the slice's gradient exists, from the block's start
  Seconds launch_latency;  // on every edge between queues (CostModel::launch_latency)
};
// The same by the recurrence of spec 6.2, with launch latency and late gradients: what the simulator gives.
[[nodiscard]] Seconds block_time(const ChunkTimes& chunk, int degree, const BlockOptions& options, BlockQueues queues);

// Idle time that a gradient slice can fill without lengthening the block: T(r) at G = 0 less the
// time that the gradient's link is busy anyway (spec 4.2, t_olp,moe).
[[nodiscard]] Seconds gradient_window(const ChunkTimes& chunk, int degree, Seconds launch_latency, BlockQueues queues);

}  // namespace sextant
