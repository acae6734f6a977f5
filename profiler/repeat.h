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
  Seconds most_time = Seconds(2.0);    // blocks after the first are left out where all would take longer than this
};
// How many blocks of `block_time` each are timed.
[[nodiscard]] int repeats_of(Seconds block_time, const RepeatOptions& options);

// Blocks of back-to-back calls of one thing between two barriers, gathered in rounds. Rounds that lie minutes apart
// make a slow phase of a machine that others use meet some of the blocks and not all of them. Every rank must take the
// same rounds.
class TimedCall {
 public:
  // As many blocks as `options` ask for. Before the first ones of all, untimed blocks warm up and decide how many calls
  // a block has. Collective over `world`.
  void run(World& world, Stream& stream, const std::function<void(Stream&)>& call, const RepeatOptions& options);

  // Of all rounds so far: a block's time is the longest on any rank divided by the calls, what it takes besides them
  // (late starters, the last rank's turn of a shared core, the closing barrier) included: in training ranks wait for
  // each other, too. The same on every rank. REQUIRES: a round was run.
  [[nodiscard]] MeasuredPoint point() const;

 private:
  int calls_ = 0;               // of a block
  std::vector<double> blocks_;  // seconds, on the slowest rank
};

// One round of the above: choose blocks long against the closing barrier.
[[nodiscard]] MeasuredPoint measure(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                                    const RepeatOptions& options);

// Time per call of one block of `calls`, as above. Collective over `world`; every rank gets the same result.
[[nodiscard]] Seconds time_block(World& world, Stream& stream, const std::function<void(Stream&)>& call, int calls);

// Element-wise maximum of each rank's values, which are as many on every rank. Collective over `world`.
[[nodiscard]] std::vector<double> slowest_rank(World& world, const std::vector<double>& mine);

}  // namespace sextant
