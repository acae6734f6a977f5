#include "planner/moe_block.h"

#include <iostream>

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/block_graph.h"
#include "tests/planner/golden_layer.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

constexpr double kTolerance_ms = 5e-5;  // the golden table has four decimals

double ms(Seconds time) {
  return time.value() / golden::kMillisecond;
}
Seconds from_ms(double value) {
  return Seconds(value * golden::kMillisecond);
}

// The paper's four cases in one: exact where gather and scatter take equally long.
Seconds paper_time(const ChunkTimes& t, double r, Seconds gradient) {
  return std::max({2.0 * r * t.all_to_all + gradient, 2.0 * t.all_to_all + t.gather + t.scatter + r * t.expert,
                   2.0 * r * t.all_to_all + t.gather + t.scatter, 2.0 * t.all_to_all + r * (t.gather + t.scatter)});
}

TEST(ChunkTimesOfAStep, AreTheMeanOfUnevenParts) {
  // 240 rows in 7 parts: 5 of 34 and 2 of 35. At a second a row of each expert and rank (2 x 2 here) the
  // mean is 4 * 240 / 7 s; every dispatch is 10 s whatever its size.
  const FakeCostModel costs(
      [](const KernelWork& work) { return Seconds(static_cast<double>(work.shape.rows)); },
      [](const CollectiveWork& work) { return Seconds(work.op == Collective::kAllToAll ? 10.0 : 1.0); });
  const ChunkTimes uneven = chunk_times(small_step(1), costs, Pass::kForward, 7);
  EXPECT_DOUBLE_EQ(uneven.expert.value(), 4.0 * 240.0 / 7.0);
  EXPECT_DOUBLE_EQ(uneven.all_to_all.value(), 10.0);
  EXPECT_EQ(chunk_times(small_step(1), costs, Pass::kForward, 6).expert, Seconds(4.0 * 40.0));
}

TEST(ClosedFormTime, GivesTheGoldenTable) {
  for (const golden::Row& row : golden::kRows) {
    SCOPED_TRACE(row.degree);
    const ChunkTimes forward = golden::chunk(row.degree, Pass::kForward);
    const ChunkTimes backward = golden::chunk(row.degree, Pass::kBackward);
    const auto time = [&](const ChunkTimes& chunk, double gradient_ms) {
      return ms(closed_form_time(chunk, row.degree, from_ms(gradient_ms), BlockQueues::kThree));
    };
    EXPECT_NEAR(time(forward, 0.0), row.forward_ms, kTolerance_ms);
    EXPECT_NEAR(time(backward, 0.0), row.backward_ms, kTolerance_ms);
    EXPECT_NEAR(time(backward, 10.0), row.backward_with_10ms, kTolerance_ms);
    EXPECT_NEAR(ms(gradient_window(backward, row.degree, Seconds(0.0), BlockQueues::kThree)), row.window_ms,
                kTolerance_ms);
  }
}

TEST(ClosedFormTime, ChunkTimesAreThoseOfTheGoldenTable) {
  // a = 0.2875 + 2.3201e-6 * 1258291.2 / 4 = 1.0173 ms, and so on.
  const ChunkTimes chunk = golden::chunk(4, Pass::kForward);
  EXPECT_NEAR(ms(chunk.all_to_all), 1.0173, kTolerance_ms);
  EXPECT_NEAR(ms(chunk.gather), 0.9287, kTolerance_ms);
  EXPECT_NEAR(ms(chunk.expert), 1.3671, kTolerance_ms);
  EXPECT_NEAR(ms(chunk.scatter), 0.9533, kTolerance_ms);
}

TEST(ClosedFormTime, ThePapersFormulaIsTooShortWhereGatherAndScatterDiffer) {
  // Degree 8, case 3 because a > g: 2 r a + g + s = 16 * 0.65238 + 0.63331 + 0.67442 = 11.7458 ms, while
  // the path (r+1) a + g + r s takes 11.8997 ms.
  const ChunkTimes eighth = golden::chunk(8, Pass::kForward);
  EXPECT_NEAR(ms(16.0 * eighth.all_to_all + eighth.gather + eighth.scatter), 11.7458, kTolerance_ms);
  EXPECT_NEAR(ms(closed_form_time(eighth, 8, Seconds(0.0), BlockQueues::kThree)), 11.8997, kTolerance_ms);
  for (const int degree : {1, 2, 3, 4, 6}) {
    const ChunkTimes chunk = golden::chunk(degree, Pass::kForward);
    EXPECT_DOUBLE_EQ(ms(paper_time(chunk, degree, Seconds(0.0))),
                     ms(closed_form_time(chunk, degree, Seconds(0.0), BlockQueues::kThree)))
        << "degree " << degree;
  }
}

TEST(ClosedFormTime, IsThePapersFormulaWhereGatherAndScatterTakeEquallyLong) {
  constexpr std::uint64_t kSeed = 41;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  for (int i = 0; i < 10000; ++i) {
    HandBlock block = blocks.next();
    block.scatter = block.gather;
    const Seconds gradient(static_cast<double>(block.gradient));
    ASSERT_EQ(closed_form_time(block.chunk(), block.degree, gradient, BlockQueues::kThree),
              paper_time(block.chunk(), block.degree, gradient));
  }
}

TEST(ClosedFormTime, OneChunkIsTheSumOfItsTasks) {
  // 2 * 3 + 5 + 7 + 11 = 29 s whatever the queues.
  const HandBlock block{.all_to_all = 3, .gather = 5, .expert = 7, .scatter = 11};
  for (const BlockQueues queues : {BlockQueues::kThree, BlockQueues::kOneLink, BlockQueues::kSerial}) {
    EXPECT_EQ(closed_form_time(block.chunk(), 1, Seconds(0.0), queues), Seconds(29.0));
  }
}

TEST(ClosedFormTime, OneLinkIsTheLongestOfFourPaths) {
  // d = 2 + 3 = 5, c = 4 + 2 = 6, r = 3: links 15 + 18 = 33 (with G = 10: 43), experts 5 + 3 e + 6.
  HandBlock block{.all_to_all = 2, .gather = 3, .expert = 1, .scatter = 4};
  EXPECT_EQ(closed_form_time(block.chunk(), 3, Seconds(0.0), BlockQueues::kOneLink), Seconds(33.0));
  EXPECT_EQ(closed_form_time(block.chunk(), 3, Seconds(10.0), BlockQueues::kOneLink), Seconds(43.0));
  block.expert = 20;
  EXPECT_EQ(closed_form_time(block.chunk(), 3, Seconds(0.0), BlockQueues::kOneLink), Seconds(71.0));
  block.expert = 14;  // 15 + 14 + 6 = 35 and 5 + 14 + 18 = 37 both exceeded by 5 + 42 + 6 = 53
  EXPECT_EQ(closed_form_time(block.chunk(), 3, Seconds(0.0), BlockQueues::kOneLink), Seconds(53.0));
}

TEST(ClosedFormTime, IsNeverShorterThanTheLoadOfAnyQueue) {
  constexpr std::uint64_t kSeed = 42;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  for (int i = 0; i < 10000; ++i) {
    const HandBlock block = blocks.next();
    const ChunkTimes t = block.chunk();
    const double r = block.degree;
    const Seconds gradient(static_cast<double>(block.gradient));
    const Seconds time = closed_form_time(t, block.degree, gradient, BlockQueues::kThree);
    EXPECT_GE(time, 2.0 * r * t.all_to_all + gradient);
    EXPECT_GE(time, r * (t.gather + t.scatter));
    EXPECT_GE(time, r * t.expert);
    EXPECT_LE(time, closed_form_time(t, block.degree, gradient, BlockQueues::kSerial));
  }
}

TEST(ClosedFormTime, RefusesADegreeBelowOne) {
  EXPECT_THROW(static_cast<void>(closed_form_time({}, 0, Seconds(0.0), BlockQueues::kThree)), InternalError);
}

TEST(BlockTime, IsTheClosedFormWithoutLatencyAndLateGradients) {
  constexpr std::uint64_t kSeed = 43;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  for (int i = 0; i < 10000; ++i) {
    const HandBlock block = blocks.next();
    const BlockOptions options{
        .gradient = Seconds(static_cast<double>(block.gradient)), .gradient_ready = {}, .launch_latency = {}};
    ASSERT_EQ(block_time(block.chunk(), block.degree, options, block.queues),
              closed_form_time(block.chunk(), block.degree, options.gradient, block.queues));
  }
}

TEST(BlockTime, ALateGradientDelaysTheCombine) {
  // Chunk: D 0-2, A 2-5, E 5-9, S 9-10; the slice is ready at 8 and takes 4, so C runs 12-14.
  const HandBlock block{.all_to_all = 2, .gather = 3, .expert = 4, .scatter = 1};
  const BlockOptions options{.gradient = Seconds(4.0), .gradient_ready = Seconds(8.0), .launch_latency = {}};
  EXPECT_EQ(block_time(block.chunk(), 1, options, BlockQueues::kThree), Seconds(14.0));
}

TEST(BlockTime, LaunchLatencyCountsOnEveryEdgeBetweenQueues) {
  // compute -> D -> A -> E -> S -> C -> compute: six edges of 10 s; with one link queue D -> A and
  // S -> C stay in it: four edges.
  const HandBlock block{.all_to_all = 2, .gather = 3, .expert = 4, .scatter = 1};
  const BlockOptions options{.gradient = {}, .gradient_ready = {}, .launch_latency = Seconds(10.0)};
  EXPECT_EQ(block_time(block.chunk(), 1, options, BlockQueues::kThree), Seconds(12.0 + 60.0));
  EXPECT_EQ(block_time(block.chunk(), 1, options, BlockQueues::kOneLink), Seconds(12.0 + 40.0));
  EXPECT_EQ(block_time(block.chunk(), 1, options, BlockQueues::kSerial), Seconds(12.0));
}

TEST(GradientWindow, IsTheIdleTimeOfTheLinkThatCarriesTheGradients) {
  // r = 2: D 0-2, 2-4; A 2-5, 5-8; E 5-9, 9-13; S 9-10, 13-14; C 10-12, 14-16: 16 - 4 * 2 = 8.
  const HandBlock block{.all_to_all = 2, .gather = 3, .expert = 4, .scatter = 1};
  EXPECT_EQ(gradient_window(block.chunk(), 2, Seconds(0.0), BlockQueues::kThree), Seconds(8.0));
  // One link: max(5 * 2 + 3 * 2, 5 + 8 + 3, ...) = 17 (r d + e + c), of which it is busy 16.
  EXPECT_EQ(gradient_window(block.chunk(), 2, Seconds(0.0), BlockQueues::kOneLink), Seconds(1.0));
  EXPECT_EQ(gradient_window(block.chunk(), 2, Seconds(0.0), BlockQueues::kSerial), Seconds(0.0));
}

TEST(GradientWindow, AGradientOfItsSizeDoesNotLengthenTheBlock) {
  constexpr std::uint64_t kSeed = 44;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  for (int i = 0; i < 10000; ++i) {
    const HandBlock block = blocks.next();
    if (block.queues == BlockQueues::kSerial) continue;
    const Seconds window = gradient_window(block.chunk(), block.degree, Seconds(0.0), block.queues);
    const Seconds without = closed_form_time(block.chunk(), block.degree, Seconds(0.0), block.queues);
    ASSERT_EQ(closed_form_time(block.chunk(), block.degree, window, block.queues), without);
    ASSERT_EQ(closed_form_time(block.chunk(), block.degree, window + Seconds(1.0), block.queues),
              without + Seconds(1.0));
  }
}

}  // namespace
}  // namespace sextant
