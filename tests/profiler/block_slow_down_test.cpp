#include "profiler/block_slow_down.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

// Work of 4 ms hides all but the first and the last exchange of 0.5 ms; of work of 1 ms, exchanges of 6 ms hide all.
TEST(UnslowedBlock, IsAsLongAsItsBusiestQueueLets) {
  EXPECT_NEAR(unslowed_block({.work = Seconds(4e-3), .exchange = Seconds(0.5e-3)}).value(), 33e-3, 1e-9);
  EXPECT_NEAR(unslowed_block({.work = Seconds(1e-3), .exchange = Seconds(6e-3)}).value(), 96e-3, 1e-9);
}

// Work of 4 ms and exchanges of 0.5 ms: D1, eight works, C8 take 33 ms; with large exchanges of 1 ms, 34. Then nothing
// is slowed.
TEST(SlowDownInBlocks, IsNoneWhereTheBlocksTakeAsLongAsSimulated) {
  const SlowDown none = slow_down_in_blocks(
      {.work = Seconds(4e-3), .exchange = Seconds(0.5e-3), .block = Seconds(33e-3)},
      {.work = Seconds(4e-3), .exchange = Seconds(1e-3), .block = Seconds(34e-3)}, Slowed::kExchange);
  EXPECT_EQ(none.factor, 1.0);
  EXPECT_EQ(none.delay, Seconds(0.0));
}

// Exchanges bound the block: 16 of 6 ms take 96 ms, of 12 ms 192. Each of the eight works runs its 1 ms beside
// exchanges, which does 1 / s of an exchange's millisecond: 8 (1 - 1 / s) more. s = 2 with small exchanges is a delay
// of 6 ms where the factor is 1; with large ones that delay alone is s = 1.5, and s = 1.5 is what they show.
TEST(SlowDownInBlocks, ADelayWeighsLessOnALargeExchange) {
  const SlowDown found = slow_down_in_blocks(
      {.work = Seconds(1e-3), .exchange = Seconds(6e-3), .block = Seconds(96e-3 + 8e-3 * (1.0 - 1.0 / 2.0))},
      {.work = Seconds(1e-3), .exchange = Seconds(12e-3), .block = Seconds(192e-3 + 8e-3 * (1.0 - 1.0 / 1.5))},
      Slowed::kExchange);
  EXPECT_NEAR(found.factor, 1.0, 0.01);
  EXPECT_NEAR(found.delay.value(), 6e-3, 0.1e-3);
}

// As above, but the large ones are slowed by 3: factor + delay / 6 ms = 4, factor + delay / 12 ms = 3.
TEST(SlowDownInBlocks, FindsFactorAndDelayTogether) {
  const SlowDown found = slow_down_in_blocks(
      {.work = Seconds(1e-3), .exchange = Seconds(6e-3), .block = Seconds(96e-3 + 8e-3 * (1.0 - 1.0 / 4.0))},
      {.work = Seconds(1e-3), .exchange = Seconds(12e-3), .block = Seconds(192e-3 + 8e-3 * (1.0 - 1.0 / 3.0))},
      Slowed::kExchange);
  EXPECT_NEAR(found.factor, 2.0, 0.1);
  EXPECT_NEAR(found.delay.value(), 12e-3, 1e-3);
}

// Exchanges that take work's compute lengthen the block by themselves: with a share of 0.5, eight works of 4 ms lose
// half of the 7.5 exchanges of 1 ms beside them and more.
TEST(SlowDownInBlocks, WhatExchangesTakeOfTheWorkNeedsNoSlowDown) {
  const BlockTimes large{
      .work = Seconds(4e-3), .exchange = Seconds(1e-3), .block = Seconds(37e-3), .compute_share = 0.5};
  const BlockTimes small{
      .work = Seconds(4e-3), .exchange = Seconds(0.1e-3), .block = Seconds(32.2e-3), .compute_share = 0.5};
  EXPECT_EQ(slow_down_in_blocks(small, large, Slowed::kExchange).factor, 1.0);
  EXPECT_GT(slow_down_in_blocks(small, {large.work, large.exchange, large.block, 0.0}, Slowed::kExchange).factor, 1.5);
}

// Where either slows the other by s, work of 1 ms takes s, in which an exchange does 1 ms: each of the eight works
// costs s - 1 ms, whatever the size of the exchanges.
TEST(SlowDownInBlocks, OfBothIsSharedByBoth) {
  const SlowDown found = slow_down_in_blocks(
      {.work = Seconds(1e-3), .exchange = Seconds(6e-3), .block = Seconds(96e-3 + 8e-3 * (2.0 - 1.0))},
      {.work = Seconds(1e-3), .exchange = Seconds(12e-3), .block = Seconds(192e-3 + 8e-3 * (2.0 - 1.0))},
      Slowed::kBoth);
  EXPECT_NEAR(found.factor, 2.0, 0.02);
  EXPECT_NEAR(found.delay.value(), 0.0, 0.05e-3);
}

// Works of 4 ms and exchanges of 0.5 ms take 33 ms where nothing is slowed, and 8 x 4.5 + 8 x 0.5 = 40 ms where none
// runs beside another. A delay of d ms lets 4 / (1 + 2 d) ms of an exchange pass beside each of the eight works (the
// last with the first exchange back): with 50 ms the block takes 39.68 ms, and 90 % of what that adds, 0.985 ms passed,
// is a delay of 15.74 ms.
TEST(SlowDownInBlocks, OfABlockWithoutOverlapIsNotTheLongestDelay) {
  const BlockTimes large{.work = Seconds(4e-3), .exchange = Seconds(1e-3), .block = Seconds(34e-3)};
  const SlowDown found = slow_down_in_blocks(
      {.work = Seconds(4e-3), .exchange = Seconds(0.5e-3), .block = Seconds(60e-3)}, large, Slowed::kExchange);
  EXPECT_EQ(found.factor, 1.0);
  EXPECT_NEAR(found.delay.value(), 15.74e-3, 0.05e-3);
}

}  // namespace
}  // namespace sextant
