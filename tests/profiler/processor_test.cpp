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

// A kernel has half a core; a call that needs 0.4 s of processor time a second takes 0.8 of it.
TEST(ComputeShare, IsOfTheCoresThatAKernelHas) {
  EXPECT_DOUBLE_EQ(compute_share(Seconds(1.0), Seconds(0.4), 0.5), 0.8);
  EXPECT_DOUBLE_EQ(compute_share(Seconds(2.0), Seconds(0.4), 0.5), 0.4);
  EXPECT_DOUBLE_EQ(compute_share(Seconds(1.0), Seconds(0.9), 0.5), 1.0);
}

// Of 1.25 cores a kernel of one thread leaves a quarter idle, which a call may take for nothing.
TEST(ComputeShare, CoresThatAKernelLeavesIdleCostNothing) {
  EXPECT_DOUBLE_EQ(compute_share(Seconds(1.0), Seconds(0.25), 1.25), 0.0);
  EXPECT_DOUBLE_EQ(compute_share(Seconds(1.0), Seconds(0.75), 1.25), 0.5);
  EXPECT_DOUBLE_EQ(compute_share(Seconds(1.0), Seconds(1.0), 2.0), 0.0);
}

TEST(ComputeShare, OfNothingIsNothing) {
  EXPECT_EQ(compute_share(Seconds(0.0), Seconds(0.0), 0.5), 0.0);
}

TEST(MeasureCoresPerRank, LiesBetweenNothingAndTheTwoThatARankAsksFor) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    const double cores = measure_cores_per_rank(world, brief());
    EXPECT_GT(cores, 0.0);
    EXPECT_LE(cores, 2.0);
    return 0;
  });
}

TEST(MeasureProcessorTime, CountsWorkAndNoSleep) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    const BusyWork work(world, Seconds(1e-3));
    const auto sleep = [](Stream& s) { s.enqueue([] { std::this_thread::sleep_for(std::chrono::milliseconds(5)); }); };
    const auto spin = [&](Stream& s) { s.enqueue(work); };
    const Seconds asleep = measure_processor_time(world, *stream, sleep, brief());
    const Seconds awake = measure_processor_time(world, *stream, spin, brief());
    EXPECT_LT(asleep, Seconds(1e-3));
    EXPECT_GT(awake, 4.0 * asleep);
    return 0;
  });
}

TEST(ComputeShareBenchmark, OfACallThatSleepsIsSmallAndOfOneThatWorksLarge) {
  launch(Backend::kLocal, {.num_ranks = 2, .topology = Topology{2, 1}}, [](World& world) {
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
    const ComputeShareBenchmark shares(world, 1.0);
    // On a busy machine a single look may tell anything; every rank gets the same shares, so all stop together.
    constexpr int kLooks = 20;
    double asleep = 1.0, awake = 0.0;
    for (int look = 0; look < kLooks && awake < asleep + 0.25; ++look) {
      asleep = shares.measure(*stream, sleep, Seconds(0.005), brief());
      awake = shares.measure(*stream, spin, Seconds(0.005), brief());
    }
    EXPECT_GE(awake, asleep + 0.25);
    return 0;
  });
}

TEST(ComputeShareBenchmark, OfNothingIsNothing) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    const auto stream = world.device().make_stream("test");
    const ComputeShareBenchmark shares(world, 1.0);
    const auto nothing = [](Stream&) {};
    EXPECT_EQ(shares.measure(*stream, nothing, Seconds(0.0), brief()), 0.0);
    return 0;
  });
}

}  // namespace
}  // namespace sextant
