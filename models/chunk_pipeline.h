// How long r chunks of dispatch, gather, expert, scatter and combine take when each runs beside the others as far as
// their queues allow.
//
// Symbols per chunk as in FSMoE (ASPLOS 2025), section 4: a dispatch or combine (all-to-all), g all-gather, e expert,
// s reduce-scatter; G a gradient slice between the last dispatch and the first combine. Orders of the queues: all
// dispatches, G, all combines; all gathers, all scatters; all experts.
#pragma once

#include "models/units.h"

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

// Exact makespan of the FIFO model, closed form:
//   kThree    max of nine path lengths; with g = s the four cases of FSMoE
//   kOneLink  max{ r d + G + r c, d + r e + c, d + e + r c, r d + e + c }, d = a + g, c = s + a
//   kSerial   r (2a + g + e + s) + G
// REQUIRES: degree >= 1.
[[nodiscard]] Seconds closed_form_time(const ChunkTimes& chunk, int degree, Seconds gradient, BlockQueues queues);

// The same with G = 0 and computation x that waits for nothing (shared experts), on the compute queue before the first
// expert. The longest of the paths above and of those that begin with x:
//   kThree    x + r e + s + a,  x + e + r s + a,  x + e + s + r a
//   kOneLink  x + r e + c,  x + e + r c
//   kSerial   x longer
// REQUIRES: degree >= 1.
[[nodiscard]] Seconds time_beside(const ChunkTimes& chunk, int degree, Seconds independent, BlockQueues queues);

}  // namespace sextant
