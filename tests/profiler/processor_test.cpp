#include "profiler/processor.h"

#include <chrono>
#include <thread>

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

}  // namespace
}  // namespace sextant
