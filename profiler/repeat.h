// Timing of one call on all ranks at once, as in training: the slowest rank counts.
#pragma once

#include <functional>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/units.h"

namespace sextant {

struct RepeatOptions {
  int repeats = 9;                     // timed blocks; median and 10th / 90th percentile are over them
  Seconds block_time = Seconds(0.02);  // a block calls back to back for at least this long
  int max_calls = 200;                 // per block
  Seconds most_time = Seconds(2.0);    // blocks after the third are left out where all would take longer than this
};
// How many blocks of `block_time` each are timed.
[[nodiscard]] int repeats_of(Seconds block_time, const RepeatOptions& options);

// Issues `call` to `stream` in blocks of back-to-back calls between two barriers. A block's time is the longest on
// any rank divided by the calls, the closing barrier's own time included: choose blocks long against it. One untimed
// block warms up and decides how many calls a block has. Collective over `world`; every rank gets the same result.
[[nodiscard]] MeasuredPoint measure(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                                    const RepeatOptions& options);

// Time per call of one block of `calls`, as above. Collective over `world`; every rank gets the same result.
[[nodiscard]] Seconds time_block(World& world, Stream& stream, const std::function<void(Stream&)>& call, int calls);

// Element-wise maximum of each rank's values, which are as many on every rank. Collective over `world`.
[[nodiscard]] std::vector<double> slowest_rank(World& world, const std::vector<double>& mine);

}  // namespace sextant
