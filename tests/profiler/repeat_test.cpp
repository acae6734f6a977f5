#include "profiler/repeat.h"

#include <atomic>
#include <chrono>

#include <gtest/gtest.h>

namespace sextant {
namespace {

void spin(std::chrono::microseconds length) {
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
  }
}

TEST(Measure, SlowestRankCounts) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    const auto call = [&](Stream& s) {
      s.enqueue([&] { spin(std::chrono::microseconds(world.rank() == 1 ? 500 : 1)); });
    };
    const MeasuredPoint point = measure(world, *stream, call, {.repeats = 5, .block_time = Seconds(0.002)});
    EXPECT_GE(point.median, Seconds(500e-6));  // also on rank 0, which itself needs a microsecond
    EXPECT_LE(point.low, point.median);
    EXPECT_LE(point.median, point.high);
    EXPECT_EQ(point.repeats, 5);
    return 0;
  });
}

TEST(Measure, RanksMakeTheSameNumberOfCalls) {
  std::atomic<int> calls[2] = {0, 0};
  launch(Backend::kLocal, {.num_ranks = 2}, [&](World& world) {
    const auto stream = world.device().make_stream("test");
    const auto call = [&](Stream& s) {
      s.enqueue([&] {
        ++calls[world.rank()];
        spin(std::chrono::microseconds(world.rank() == 0 ? 300 : 5));
      });
    };
    static_cast<void>(measure(world, *stream, call, {.repeats = 3, .block_time = Seconds(0.003)}));
    return 0;
  });
  EXPECT_EQ(calls[0].load(), calls[1].load());
  EXPECT_GE(calls[0].load(), 3 + 3);  // warm-up and estimate, then at least a call a block
}

TEST(TimedCall, GathersTheBlocksOfAllRounds) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    auto length = std::chrono::microseconds(1000);
    const auto call = [&](Stream& s) { s.enqueue([&] { spin(length); }); };
    const RepeatOptions options{.repeats = 3, .block_time = Seconds(0.004)};
    TimedCall timed;
    timed.run(world, *stream, call, options);
    EXPECT_EQ(timed.point().repeats, 3);
    length = std::chrono::microseconds(30000);  // a slow phase, which the other two rounds do not meet
    timed.run(world, *stream, call, options);
    length = std::chrono::microseconds(1000);
    timed.run(world, *stream, call, options);
    const MeasuredPoint all = timed.point();
    EXPECT_EQ(all.repeats, 9);
    EXPECT_GE(all.low, Seconds(1e-3));
    EXPECT_LT(all.median, Seconds(15e-3));  // room for a machine that does other things
    EXPECT_GE(all.high, Seconds(30e-3));
    return 0;
  });
}

TEST(RepeatsOf, LongCallsAreRepeatedLessAndAtLeastOnce) {
  const RepeatOptions options{.repeats = 15, .most_time = Seconds(2.0)};
  EXPECT_EQ(repeats_of(Seconds(0.02), options), 15);
  EXPECT_EQ(repeats_of(Seconds(0.25), options), 8);
  EXPECT_EQ(repeats_of(Seconds(1.0), options), 2);
  EXPECT_EQ(repeats_of(Seconds(3.0), options), 1);
  EXPECT_EQ(repeats_of(Seconds(1.0), {.repeats = 1}), 1);
  EXPECT_EQ(repeats_of(Seconds(0.0), options), 15);
}

TEST(Measure, LimitsTheCallsOfABlock) {
  std::atomic<int> calls = 0;
  launch(Backend::kLocal, {.num_ranks = 1}, [&](World& world) {
    const auto stream = world.device().make_stream("test");
    const auto call = [&](Stream& s) { s.enqueue([&] { ++calls; }); };
    static_cast<void>(measure(world, *stream, call, {.repeats = 4, .block_time = Seconds(1.0), .max_calls = 10}));
    return 0;
  });
  EXPECT_EQ(calls.load(), 1 + 2 + 4 * 10);
}

}  // namespace
}  // namespace sextant
