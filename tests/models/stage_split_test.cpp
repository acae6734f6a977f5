#include "models/stage_split.h"

#include <algorithm>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace sextant {
namespace {

using Split = std::vector<int>;

StageSplitProblem problem_of(int layers, int stages, double head) {
  StageSplitProblem problem{.last_stage = Seconds(head), .stages = stages};
  problem.layer_times_L.assign(static_cast<std::size_t>(layers), Seconds(1.0));
  return problem;
}

double slowest(const StageSplitProblem& problem, const Split& split) {
  double most = 0.0;
  std::size_t layer = 0;
  for (std::size_t i = 0; i < split.size(); ++i) {
    double time = i + 1 == split.size() ? problem.last_stage.value() : 0.0;
    for (int l = 0; l < split[i]; ++l) time += problem.layer_times_L[layer++].value();
    most = std::max(most, time);
  }
  return most;
}

bool fits(const StageSplitProblem& problem, const Split& split) {
  int begin = 0;
  for (std::size_t i = 0; i < split.size(); ++i) {
    if (problem.fits && !problem.fits(static_cast<int>(i), begin, begin + split[i])) return false;
    begin += split[i];
  }
  return true;
}

// The least slowest stage of all splits that fit; infinite where none does.
double by_enumeration(const StageSplitProblem& problem, Split split = {}) {
  const int left = static_cast<int>(problem.layer_times_L.size()) - std::accumulate(split.begin(), split.end(), 0);
  const int stages_left = problem.stages - static_cast<int>(split.size());
  if (stages_left == 0) return left == 0 && fits(problem, split) ? slowest(problem, split) : 1e300;
  double best = 1e300;
  split.push_back(0);
  for (split.back() = 1; split.back() <= left - stages_left + 1; ++split.back()) {
    best = std::min(best, by_enumeration(problem, split));
  }
  return best;
}

TEST(LeastSlowestStage, EvenWhereNothingSpeaksAgainst) {
  EXPECT_EQ(least_slowest_stage(problem_of(8, 4, 0.0)), (Split{2, 2, 2, 2}));
  EXPECT_EQ(least_slowest_stage(problem_of(7, 3, 0.0)), (Split{3, 2, 2}));
  EXPECT_EQ(least_slowest_stage(problem_of(5, 1, 9.0)), (Split{5}));
}

TEST(LeastSlowestStage, TheHeadTakesThePlaceOfLayers) {
  // 10 layers of 1 and a head of 2 on 4 stages: 3 each, the last one layer and the head.
  EXPECT_EQ(least_slowest_stage(problem_of(10, 4, 2.0)), (Split{3, 3, 3, 1}));
  // A head of 5 is the slowest stage with its one layer.
  EXPECT_EQ(least_slowest_stage(problem_of(10, 4, 5.0)), (Split{3, 3, 3, 1}));
}

TEST(LeastSlowestStage, MemoryMovesLayersToTheEnd) {
  StageSplitProblem problem = problem_of(9, 3, 0.0);
  problem.fits = [](int stage, int begin, int end) { return end - begin <= 2 + stage; };
  EXPECT_EQ(least_slowest_stage(problem), (Split{2, 3, 4}));
  problem.fits = [](int /*stage*/, int begin, int end) { return end - begin <= 2; };
  EXPECT_EQ(least_slowest_stage(problem), std::nullopt);
}

TEST(LeastSlowestStage, NoOtherSplitThatFitsIsFaster) {
  std::mt19937 random(20261122);
  std::uniform_int_distribution<int> any(1, 6);
  int infeasible = 0;
  for (int round = 0; round < 300; ++round) {
    StageSplitProblem problem{.last_stage = Seconds(any(random)), .stages = 1 + round % 5};
    for (int l = 0; l < problem.stages + any(random); ++l) problem.layer_times_L.emplace_back(any(random));
    std::vector<int> room;
    for (int i = 0; i < problem.stages; ++i) room.push_back(any(random));
    if (round % 2 == 1) {
      problem.fits = [&](int stage, int begin, int end) {
        return end - begin <= room[static_cast<std::size_t>(stage)];
      };
    }
    const double best = by_enumeration(problem);
    const auto split = least_slowest_stage(problem);
    ASSERT_EQ(split.has_value(), best < 1e300) << "round " << round;
    if (!split) {
      ++infeasible;
      continue;
    }
    EXPECT_TRUE(fits(problem, *split));
    EXPECT_EQ(std::accumulate(split->begin(), split->end(), 0), static_cast<int>(problem.layer_times_L.size()));
    EXPECT_DOUBLE_EQ(slowest(problem, *split), best) << "round " << round;
  }
  EXPECT_GT(infeasible, 10);
}

}  // namespace
}  // namespace sextant
