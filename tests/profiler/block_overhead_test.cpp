#include "profiler/block_overhead.h"

#include <chrono>

#include <gtest/gtest.h>

namespace sextant {
namespace {

void spin(std::chrono::microseconds length) {
  const auto until = std::chrono::steady_clock::now() + length;
  while (std::chrono::steady_clock::now() < until) {
  }
}

TEST(BlockOverhead, IsWhatABlockTakesBesidesItsCalls) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    int calls = 0;  // blocks of one call and of four in turn: calls 0 and 1 of every five open one
    const auto call = [&](Stream& s) {
      s.enqueue([&] { spin(std::chrono::microseconds(calls++ % 5 < 2 ? 31000 : 1000)); });
    };
    const Seconds overhead = measure_block_overhead(world, *stream, call, {.repeats = 5});
    EXPECT_GE(overhead, Seconds(15e-3));  // 30 ms; the rest is room for a machine that does other things
    EXPECT_LE(overhead, Seconds(60e-3));
    return 0;
  });
}

TEST(BlockOverhead, OneRankHasNone) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    const BlockOverhead overhead = measure_block_overheads(world, 1.0, {.repeats = 1});
    EXPECT_EQ(overhead.kernels, Seconds(0.0));
    EXPECT_EQ(overhead.collectives, Seconds(0.0));
    return 0;
  });
}

TEST(BlockOverhead, RoundsCountByTheirMedians) {
  const BlockOverhead overhead = median_of(std::vector<BlockOverhead>{
      {Seconds(1.0), Seconds(0.3)}, {Seconds(9.0), Seconds(0.1)}, {Seconds(2.0), Seconds(0.2)}});
  EXPECT_EQ(overhead.kernels, Seconds(2.0));
  EXPECT_EQ(overhead.collectives, Seconds(0.2));
}

}  // namespace
}  // namespace sextant
