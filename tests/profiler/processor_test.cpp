#include "profiler/processor.h"

#include <chrono>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sextant {
namespace {

RepeatOptions brief() {
  return {.repeats = 3, .block_time = Seconds(0.005), .max_calls = 8};
}

TEST(ComputeShareBenchmark, OfACallThatSleepsIsSmallAndOfOneThatWorksLarge) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    const auto sleep = [](Stream& s) { s.enqueue([] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }); };
    // Four times as many threads that work as the machine has cores: the work beside them gets about a fifth.
    const auto spin = [](Stream& s) {
      s.enqueue([] {
        std::vector<std::jthread> threads;
        for (unsigned i = 0; i < 4 * std::thread::hardware_concurrency(); ++i) {
          threads.emplace_back([] {
            const auto start = std::chrono::steady_clock::now();
            while (std::chrono::steady_clock::now() - start < std::chrono::milliseconds(5)) {
            }
          });
        }
      });
    };
    const ComputeShareBenchmark shares(world);
    const double asleep = shares.measure(*stream, sleep, Seconds(0.005), brief());
    const double awake = shares.measure(*stream, spin, Seconds(0.005), brief());
    EXPECT_LT(asleep, 0.25);
    EXPECT_GT(awake, asleep + 0.25);
    return 0;
  });
}

TEST(ComputeShareBenchmark, OfNothingIsNothing) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    const ComputeShareBenchmark shares(world);
    const auto nothing = [](Stream&) {};
    EXPECT_EQ(shares.measure(*stream, nothing, Seconds(0.0), brief()), 0.0);
    return 0;
  });
}

}  // namespace
}  // namespace sextant
