#include "profiler/interference_benchmark.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

// Work of 10 s and an exchange of 10 s, both at half speed: the work ends at 20 s, so does the exchange.
TEST(SlowDowns, EqualLengthsAtHalfSpeed) {
  const SlowDowns factors = slow_downs({Seconds(10.0), Seconds(10.0)}, {Seconds(20.0), Seconds(20.0)});
  EXPECT_DOUBLE_EQ(factors.first, 2.0);
  EXPECT_DOUBLE_EQ(factors.second, 2.0);
}

// The first (4 s) ends at 6 s: 1.5 times. The second (10 s) ends at 13 s: 7 s of it ran alone, so it had
// done 3 s by 6 s: 2 times.
TEST(SlowDowns, LaterOneRunsOnAtFullRate) {
  const SlowDowns factors = slow_downs({Seconds(4.0), Seconds(10.0)}, {Seconds(6.0), Seconds(13.0)});
  EXPECT_DOUBLE_EQ(factors.first, 1.5);
  EXPECT_DOUBLE_EQ(factors.second, 2.0);
}

TEST(SlowDowns, OrderOfTheStreamsDoesNotMatter) {
  const SlowDowns factors = slow_downs({Seconds(10.0), Seconds(4.0)}, {Seconds(13.0), Seconds(6.0)});
  EXPECT_DOUBLE_EQ(factors.first, 2.0);
  EXPECT_DOUBLE_EQ(factors.second, 1.5);
}

TEST(SlowDowns, NoneWhereBothKeepTheirTime) {
  const SlowDowns factors = slow_downs({Seconds(4.0), Seconds(10.0)}, {Seconds(3.9), Seconds(9.8)});
  EXPECT_DOUBLE_EQ(factors.first, 1.0);
  EXPECT_DOUBLE_EQ(factors.second, 1.0);
}

RepeatOptions brief() {
  return {.repeats = 3, .block_time = Seconds(0.002), .max_calls = 4};
}

TEST(BlockSlowDown, IsWhatMakesTheSimulatedBlockAsLong) {
  // Work of 1 ms and exchanges of 0.5 ms: D1, eight works, C8 take 9 ms; then nothing is slowed.
  EXPECT_EQ(block_slow_down({.work = Seconds(1e-3), .exchange = Seconds(0.5e-3), .block = Seconds(9e-3)}), 1.0);
  // Exchanges of 2 ms bound the block: 16 of them take 32 ms. Slowed while work runs beside them, they take longer:
  // each of the eight works runs beside exchanges for its 1 ms, which does 1 / f of an exchange's millisecond, so
  // 32 + 8 (1 - 1 / f) = 36 at f = 2.
  EXPECT_NEAR(block_slow_down({.work = Seconds(1e-3), .exchange = Seconds(2e-3), .block = Seconds(36e-3)}), 2.0, 0.01);
  EXPECT_EQ(block_slow_down({.work = Seconds(1e-3), .exchange = Seconds(2e-3), .block = Seconds(1.0)}), 32.0);
}

TEST(MedianOf, TakesTheMedianOfEachNumber) {
  const auto round = [](double wait_s, double first, double second) {
    return Interference{
        Seconds(wait_s),
        {{Resource::kCompute, Resource::kIntra, first}, {Resource::kIntra, Resource::kCompute, second}}};
  };
  const Interference median = median_of({round(6e-3, 1.1, 3.0), round(1e-3, 1.9, 1.0), round(2e-3, 1.2, 2.0)});
  EXPECT_EQ(median.synchronization, Seconds(2e-3));
  ASSERT_EQ(median.contention.size(), 2U);
  EXPECT_EQ(median.contention[0].factor, 1.2);
  EXPECT_EQ(median.contention[1].factor, 2.0);
  EXPECT_EQ(median.contention[1].victim, Resource::kIntra);
}

TEST(MeasureContention, OneRankHasNobodyToWaitFor) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    EXPECT_EQ(measure_synchronization(world, brief()), Seconds(0.0));
    EXPECT_TRUE(measure_contention(world, Seconds(0.0), brief()).empty());
    return 0;
  });
}

TEST(MeasureContention, TwoNodesGiveBothTiersAndBothDirections) {
  launch(Backend::kLocal, {.num_ranks = 4, .topology = Topology{2, 2}}, [](World& world) {
    EXPECT_GE(measure_synchronization(world, brief()), Seconds(0.0));
    const std::vector<Contention> contention = measure_contention(world, Seconds(0.0), brief());
    EXPECT_EQ(contention.size(), 4U);
    for (const Contention& one : contention) {
      EXPECT_GE(one.factor, 1.0);
      EXPECT_TRUE((one.victim == Resource::kCompute) != (one.aggressor == Resource::kCompute));
    }
    return 0;
  });
}

}  // namespace
}  // namespace sextant
