// Time of one pipelined MoE block: r chunks of dispatch, gather, expert, scatter, combine.
//
// Symbols per chunk as in the FSMoE spec 4.1: a dispatch or combine (all-to-all), g all-gather,
// e expert, s reduce-scatter; G a gradient slice between the last dispatch and the first combine.
#pragma once

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

struct ChunkTimes {
  Seconds all_to_all;  // a
  Seconds gather;      // g
  Seconds expert;      // e
  Seconds scatter;     // s
};

// How the block's tasks share queues.
enum class BlockQueues {
  kThree,    // all-to-all on one link, gather and scatter on another, compute
  kOneLink,  // all communication in one queue, compute beside it
  kSerial,   // everything in one queue
};
// The queues that `policy` gives the block in this layout: three only if the links are disjoint.
[[nodiscard]] BlockQueues block_queues(const StepShape& step, Policy policy);

// Costs of a chunk of the block cut in `degree` parts. Where the capacity does not divide, parts differ by
// one row; the mean over the parts is returned, which keeps every queue's load exact and the makespan to
// about 0.1 % (the cost of the largest part would overstate both by a row in every part).
[[nodiscard]] ChunkTimes chunk_times(const StepShape& step, const CostModel& costs, Pass pass, int degree);

// Exact makespan of the FIFO model, closed form:
//   kThree    max of nine path lengths (spec 4.3); with g = s the paper's four cases
//   kOneLink  max{ r d + G + r c, d + r e + c, d + e + r c, r d + e + c }, d = a + g, c = s + a (spec 6.1)
//   kSerial   r (2a + g + e + s) + G
// REQUIRES: degree >= 1.
[[nodiscard]] Seconds closed_form_time(const ChunkTimes& chunk, int degree, Seconds gradient, BlockQueues queues);

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
