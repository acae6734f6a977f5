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

// How all-to-alls of either link tier slow down beside work, and where there are both tiers beside one another, both by
// the same: of two sizes, in a pipelined block of 8 chunks. What they take of the work is CostEstimate::compute_share,
// of `cores_per_rank`; `synchronization` is what the cost model adds to a collective already. Collective over `world`;
// empty for one rank.
[[nodiscard]] std::vector<Contention> measure_contention(World& world, Seconds synchronization, double cores_per_rank,
                                                         const RepeatOptions& options);

// Both of the above, once.
struct Interference {
  Seconds synchronization;
  std::vector<Contention> contention;
};
[[nodiscard]] Interference measure_interference(World& world, double cores_per_rank, const RepeatOptions& options);
// The median of each number over rounds that were measured some time apart: one round on a machine that others use
// may be off by much. REQUIRES: at least one round, all of one job.
[[nodiscard]] Interference median_of(const std::vector<Interference>& rounds);

// A block of 8 chunks of exchange, work, exchange back, where each waits for the one before: how long it took, and its
// parts alone. The work may be an exchange over other links.
struct BlockTimes {
  Seconds work;
  Seconds exchange;
  Seconds block{};
  double compute_share = 0.0;  // of an exchange
};

// A task of t takes factor * t + delay beside another.
struct SlowDown {
  double factor = 1.0;
  Seconds delay{};
};

enum class Slowed { kExchange, kBoth };  // of a block: its exchanges beside its work, or either beside the other

// The slow-down at which both simulated blocks take as long as the measured ones, with small and large exchanges: in a
// block they wait for each other, which streams that only run side by side do not show. A factor of 1 to 8, a delay of
// 0 to 50 ms, and of what the largest adds to its block at most 90 %: where nothing overlaps, ever larger ones say ever
// less. The delay is found from the small exchanges, the factor from the large.
[[nodiscard]] SlowDown slow_down_in_blocks(const BlockTimes& small, const BlockTimes& large, Slowed slowed);

}  // namespace sextant
