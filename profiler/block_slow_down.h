// What a pipelined block of exchanges and work says about how they slow each other down.
#pragma once

#include "models/units.h"

namespace sextant {

constexpr int kBlockChunks = 8;

// A block of kBlockChunks chunks of exchange, work, exchange back, where each waits for the one before: how long it
// took, and its parts alone. The work may be an exchange over other links.
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

// What the simulated block takes where nothing is slowed; times.block is not looked at.
[[nodiscard]] Seconds unslowed_block(const BlockTimes& times);

enum class Slowed { kExchange, kBoth };  // of a block: its exchanges beside its work, or either beside the other

// The slow-down at which both simulated blocks take as long as the measured ones, with small and large exchanges: in a
// block they wait for each other, which streams that only run side by side do not show. A factor of 1 to 8, a delay of
// 0 to 50 ms, and of what the largest adds to its block at most 90 %: where nothing overlaps, ever larger ones say ever
// less. The delay is found from the small exchanges, the factor from the large.
[[nodiscard]] SlowDown slow_down_in_blocks(const BlockTimes& small, const BlockTimes& large, Slowed slowed);

}  // namespace sextant
