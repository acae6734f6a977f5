#include "planner/pipeline_degree.h"

#include <iostream>

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/block_graph.h"
#include "tests/planner/golden_layer.h"

namespace sextant {
namespace {

constexpr int kMaxDegree = 16;

DegreeChoice golden_choice(Pass pass, double gradient_ms) {
  const BlockOptions options{
      .gradient = Seconds(gradient_ms * golden::kMillisecond), .gradient_ready = {}, .launch_latency = {}};
  return choose_degree([pass](int degree) { return golden::chunk(degree, pass); }, kMaxDegree, options,
                       BlockQueues::kThree);
}

TEST(ChooseDegree, TakesFourForwardAndSixBackwardOnTheGoldenLayer) {
  EXPECT_EQ(golden_choice(Pass::kForward, 0.0).degree, 4);
  EXPECT_NEAR(golden_choice(Pass::kForward, 0.0).time.value(), 10.0206e-3, 5e-8);
  EXPECT_EQ(golden_choice(Pass::kBackward, 0.0).degree, 6);
  EXPECT_NEAR(golden_choice(Pass::kBackward, 0.0).time.value(), 14.4950e-3, 5e-8);
}

TEST(ChooseDegree, TakesTwoBackwardWhenTenMillisecondsOfGradientsRunInTheBlock) {
  EXPECT_EQ(golden_choice(Pass::kBackward, 10.0).degree, 2);
  EXPECT_NEAR(golden_choice(Pass::kBackward, 10.0).time.value(), 16.9887e-3, 5e-8);
}

TEST(ChooseDegree, ReportsTheTimeOfEveryDegree) {
  const DegreeChoice choice = golden_choice(Pass::kBackward, 0.0);
  ASSERT_EQ(choice.times.size(), static_cast<std::size_t>(kMaxDegree));
  for (const golden::Row& row : golden::kRows) {
    EXPECT_NEAR(choice.times[row.degree - 1].value() * 1e3, row.backward_ms, 5e-5) << "degree " << row.degree;
  }
}

TEST(ChooseDegree, TiesGoToTheSmallerDegree) {
  // No task takes any time: all degrees are equal.
  const DegreeChoice choice = choose_degree([](int) { return ChunkTimes{}; }, 8, {}, BlockQueues::kThree);
  EXPECT_EQ(choice.degree, 1);
}

TEST(ChooseDegree, NeverSplitsWhereEverythingSharesOneQueue) {
  const DegreeChoice choice = choose_degree([](int degree) { return golden::chunk(degree, Pass::kForward); },
                                            kMaxDegree, {}, BlockQueues::kSerial);
  EXPECT_EQ(choice.degree, 1);
}

TEST(ChooseDegree, IsNoWorseThanAnyDegreeAndNeverGainsFromLatency) {
  constexpr std::uint64_t kSeed = 51;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  for (int i = 0; i < 2000; ++i) {
    const HandBlock block = blocks.next();
    const HandBlock start_up{.all_to_all = blocks.duration(),
                             .gather = blocks.duration(),
                             .expert = blocks.duration(),
                             .scatter = blocks.duration()};
    const auto chunk = [&](int degree) {
      const ChunkTimes fixed = start_up.chunk(), all = block.chunk();
      return ChunkTimes{fixed.all_to_all + all.all_to_all / degree, fixed.gather + all.gather / degree,
                        fixed.expert + all.expert / degree, fixed.scatter + all.scatter / degree};
    };
    BlockOptions options{
        .gradient = Seconds(static_cast<double>(block.gradient)), .gradient_ready = {}, .launch_latency = {}};
    const DegreeChoice choice = choose_degree(chunk, kMaxDegree, options, block.queues);
    for (int degree = 1; degree <= kMaxDegree; ++degree) {
      ASSERT_LE(choice.time, block_time(chunk(degree), degree, options, block.queues));
    }
    options.launch_latency = Seconds(5.0);
    ASSERT_GE(choose_degree(chunk, kMaxDegree, options, block.queues).time, choice.time);
  }
}

TEST(ChooseDegree, RefusesAMaximumBelowOne) {
  EXPECT_THROW(static_cast<void>(choose_degree([](int) { return ChunkTimes{}; }, 0, {}, BlockQueues::kThree)),
               InternalError);
}

}  // namespace
}  // namespace sextant
