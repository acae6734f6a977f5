// What ranks and resources cost each other: waiting at a collective that follows work, and the
// slow-down of work and collectives that run side by side.
#pragma once

#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/units.h"
#include "profiler/repeat.h"

namespace sextant {

// Cluster::synchronization: time of (work, small all-to-all over all ranks) less that of the work and
// of the all-to-all alone, at least 0. Where ranks share cores they reach a collective one after the
// other, which no benchmark of the collective alone sees. Collective over `world`; 0 for one rank.
[[nodiscard]] Seconds measure_synchronization(World& world, const RepeatOptions& options);

// Runs work and all-to-alls side by side on two streams of every rank, for each link tier that the
// ranks have, and finds both slow-downs from the two end times. `synchronization` is what the cost
// model adds to a collective already. Collective over `world`; empty for one rank.
[[nodiscard]] std::vector<Contention> measure_contention(World& world, Seconds synchronization,
                                                         const RepeatOptions& options);

// Both of the above, once.
struct Interference {
  Seconds synchronization;
  std::vector<Contention> contention;
};
[[nodiscard]] Interference measure_interference(World& world, const RepeatOptions& options);
// The median of each number over rounds that were measured some time apart: one round on a machine that others use
// may be off by much. REQUIRES: at least one round, all of one job.
[[nodiscard]] Interference median_of(const std::vector<Interference>& rounds);

// A block of 8 chunks of exchange, work, exchange back, where each waits for the one before: how long it took, and its
// parts alone. `of_work` is the slow-down of work beside exchanges.
struct BlockTimes {
  Seconds work;
  Seconds exchange;
  Seconds block;
  double of_work = 1.0;
};
// The slow-down of exchanges beside work at which the simulated block takes as long: in a block they wait for each
// other, which streams that only run side by side do not show. Between 1 and 32.
[[nodiscard]] double block_slow_down(const BlockTimes& times);

// Two streams start together; alone they would take `first_alone` and `second_alone`. Slow-downs of
// both while they overlap, from when each ended (the later one runs on at full rate). At least 1.
struct SlowDowns {
  double first = 1.0;
  double second = 1.0;
};
struct EndTimes {
  Seconds first;
  Seconds second;
};
[[nodiscard]] SlowDowns slow_downs(const EndTimes& alone, const EndTimes& together);

}  // namespace sextant
