#include "models/least_sum_split.h"

#include <algorithm>
#include <limits>
#include <random>

#include <gtest/gtest.h>

#include "tests/models/split_job.h"

namespace sextant {
namespace {

using Split = std::vector<int>;

constexpr Seconds kAnyTime{1e300};
constexpr double kNever = std::numeric_limits<double>::infinity();

TEST(LeastSumSplit, FallsWhereTheSlowestStageMayBeSlower) {
  // Five layers of 1 on two stages with room for 1 and 4, three more in 1.5 times the time: 2 3 takes 3 and 3, 1 4
  // takes 1 and 4, 3 2 takes 4.5 and 2.
  const StageSplitProblem problem = crowded(job_of(5, 2, 0.0), {1, 4}).problem();
  LeastSumSplit least_sum(problem);
  EXPECT_EQ(least_sum.run(Seconds(2.9)).sum.value(), kNever);
  LeastSumSplit::Found found = least_sum.run(Seconds(3.0));
  EXPECT_EQ(found.sum, Seconds(6.0));
  EXPECT_EQ(found.slowest, Seconds(3.0));
  EXPECT_EQ(found.next, Seconds(4.0));
  EXPECT_EQ(least_sum.split().layers, (Split{2, 3}));
  EXPECT_EQ(least_sum.split().ways, (std::vector<std::size_t>{1, 0}));
  found = least_sum.run(kAnyTime);
  EXPECT_EQ(found.sum, Seconds(5.0));
  EXPECT_EQ(found.slowest, Seconds(4.0));
  EXPECT_EQ(least_sum.split().layers, (Split{1, 4}));
}

TEST(LeastSumSplit, SaysFromWhichBoundOnThereMayBeAnAnswer) {
  // Seven layers of 1 on three stages: nothing below 3; a stage of two may become one of three.
  const StageSplitProblem problem = job_of(7, 3, 0.0).problem();
  LeastSumSplit least_sum(problem);
  const LeastSumSplit::Found found = least_sum.run(Seconds(2.5));
  EXPECT_EQ(found.sum.value(), kNever);
  EXPECT_EQ(found.next, Seconds(3.0));
}

TEST(LeastSumSplit, OfEqualSumsTheStagesNearestToTheMean) {
  const StageSplitProblem problem = job_of(8, 3, 0.0).problem();
  LeastSumSplit least_sum(problem);
  least_sum.run(kAnyTime);
  EXPECT_EQ(least_sum.split().layers, (Split{3, 3, 2}));
}

// Layers of random times and sizes, three ways.
StageSplitProblem random_problem(std::mt19937& random, int stages) {
  std::uniform_int_distribution<int> any(1, 6);
  SplitJob job{.head = static_cast<double>(any(random)), .stages = stages, .factors = {1.0, 1.25, 1.5}};
  std::vector<int> before{0};
  for (int l = 0; l < stages + 5; ++l) {
    job.layer_times_L.emplace_back(any(random));
    before.push_back(before.back() + any(random));
  }
  std::vector<int> room;
  for (int i = 0; i < stages; ++i) room.push_back(2 * any(random));
  job.fits = [before, room](std::size_t way, const StageLayers& l) {
    const int size = before[static_cast<std::size_t>(l.end)] - before[static_cast<std::size_t>(l.begin)];
    return size <= room[static_cast<std::size_t>(l.stage)] + 2 * static_cast<int>(way);
  };
  return job.problem();
}

TEST(LeastSumSplit, NoOtherSplitBelowTheBoundTakesLess) {
  std::mt19937 random(20261124);
  std::uniform_real_distribution<double> any(4.0, 25.0);
  int found_some = 0;
  for (int round = 0; round < 600; ++round) {
    const StageSplitProblem problem = random_problem(random, 1 + round % 5);
    LeastSumSplit least_sum(problem);
    const auto least_with = [&](Seconds bound) {
      return least_of_every_split(
          problem, [&](const StageSplit& split) { return split.slowest <= bound ? split.sum : Seconds(kNever); });
    };
    const Seconds bound(any(random));
    const double best = least_with(bound);
    const LeastSumSplit::Found found = least_sum.run(bound);
    ASSERT_EQ(found.sum.value() < kNever, best < kNever) << "round " << round;
    ASSERT_GT(found.next, bound) << "round " << round;
    // Up to the next bound nothing changes.
    if (found.next.value() < kNever) {
      EXPECT_EQ(least_with(0.5 * (bound + found.next)), best) << "round " << round;
    }
    if (best == kNever) continue;
    ++found_some;
    EXPECT_NEAR(found.sum.value(), best, 1e-9) << "round " << round;
    const StageSplit split = least_sum.split();
    EXPECT_NEAR(split.sum.value(), best, 1e-9) << "round " << round;
    EXPECT_LE(split.slowest, bound);
    for (int stage = 0, begin = 0; stage < problem.stages; ++stage) {
      const auto s = static_cast<std::size_t>(stage);
      EXPECT_TRUE(problem.fits(split.ways[s], {stage, begin, begin + split.layers[s]}));
      begin += split.layers[s];
    }
  }
  EXPECT_GT(found_some, 100);
}

TEST(LeastSumSplit, LooksAtEveryEndOfAStageOnceAndNotAtPairs) {
  // 1,000 layers on 100 stages, 901 ends for each in either way.
  const StageSplitProblem problem = crowded(job_of(1000, 100, 0.0), std::vector<int>(100, 9)).problem();
  LeastSumSplit least_sum(problem);
  least_sum.run(kAnyTime);
  EXPECT_GT(least_sum.steps(), 0);
  EXPECT_LE(least_sum.steps(), 2 * 100 * 901);
}

}  // namespace
}  // namespace sextant
