#include "models/stage_split.h"

#include <algorithm>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

#include "tests/models/split_job.h"

namespace sextant {
namespace {

using Split = std::vector<int>;

constexpr double kNever = std::numeric_limits<double>::infinity();

std::optional<Split> least_slowest(const SplitJob& job) {
  const std::optional<StageSplit> split = least_slowest_stage(job.problem()).split;
  return split ? std::optional(split->layers) : std::nullopt;
}

TEST(LeastSlowestStage, EvenWhereNothingSpeaksAgainst) {
  EXPECT_EQ(least_slowest(job_of(8, 4, 0.0)), (Split{2, 2, 2, 2}));
  EXPECT_EQ(least_slowest(job_of(7, 3, 0.0)), (Split{3, 2, 2}));
  EXPECT_EQ(least_slowest(job_of(5, 1, 9.0)), (Split{5}));
}

TEST(LeastSlowestStage, TheHeadTakesThePlaceOfLayers) {
  // 10 layers of 1 and a head of 2 on 4 stages: 3 each, the last one layer and the head.
  EXPECT_EQ(least_slowest(job_of(10, 4, 2.0)), (Split{3, 3, 3, 1}));
  // A head of 5 is the slowest stage with its one layer.
  EXPECT_EQ(least_slowest(job_of(10, 4, 5.0)), (Split{3, 3, 3, 1}));
}

TEST(LeastSlowestStage, MemoryMovesLayersToTheEnd) {
  SplitJob job = job_of(9, 3, 0.0);
  job.fits = [](std::size_t /*way*/, const StageLayers& l) { return l.end - l.begin <= 2 + l.stage; };
  EXPECT_EQ(least_slowest(job), (Split{2, 3, 4}));
  job.fits = [](std::size_t /*way*/, const StageLayers& l) { return l.end - l.begin <= 2; };
  EXPECT_EQ(least_slowest(job), std::nullopt);
}

TEST(LeastSlowestStage, StagesShortOfRoomComputeInASlowerWay) {
  // Room for 1 layer on the first stage, 4 with 1.5 times the time: 2 + 4 take 3 and 4, 3 + 3 take 4.5 and 3.
  const std::optional<StageSplit> split = least_slowest_stage(crowded(job_of(6, 2, 0.0), {1, 6}).problem()).split;
  ASSERT_TRUE(split.has_value());
  EXPECT_EQ(split->layers, (Split{2, 4}));
  EXPECT_EQ(split->ways, (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(split->slowest, Seconds(4.0));
  EXPECT_EQ(split->sum, Seconds(7.0));
}

// Rooms by number of layers, or by sizes of layers: a stage may have room for one of the later layers and not for one
// of the earlier.
SplitJob random_job(std::mt19937& random, int round) {
  std::uniform_int_distribution<int> any(1, 6);
  SplitJob job{.head = static_cast<double>(any(random)), .stages = 1 + round % 5};
  for (int l = 0; l < job.stages + any(random); ++l) job.layer_times_L.emplace_back(any(random));
  std::vector<int> room;
  for (int i = 0; i < job.stages; ++i) room.push_back(any(random));
  std::vector<int> before{0};
  for (std::size_t l = 0; l < job.layer_times_L.size(); ++l) before.push_back(before.back() + any(random));
  if (round % 3 == 0) return job;
  job.fits = [by_size = round % 3 == 2, room, before](std::size_t way, const StageLayers& l) {
    const int more = 2 * static_cast<int>(way);
    const int size = before[static_cast<std::size_t>(l.end)] - before[static_cast<std::size_t>(l.begin)];
    const int most = room[static_cast<std::size_t>(l.stage)] + more;
    return by_size ? size <= 2 * most : l.end - l.begin <= most;
  };
  if (round % 2 == 1) job.factors = {1.0, 1.25, 2.0};
  return job;
}

TEST(LeastSlowestStage, NoOtherSplitThatFitsIsFaster) {
  std::mt19937 random(20261122);
  int infeasible = 0;
  for (int round = 0; round < 1000; ++round) {
    const StageSplitProblem problem = random_job(random, round).problem();
    const double best = least_of_every_split(problem, [](const StageSplit& split) { return split.slowest; });
    const auto split = least_slowest_stage(problem).split;
    ASSERT_EQ(split.has_value(), best < kNever) << "round " << round;
    if (!split) {
      ++infeasible;
      continue;
    }
    EXPECT_EQ(std::accumulate(split->layers.begin(), split->layers.end(), 0), problem.layers());
    EXPECT_NEAR(split->slowest.value(), best, 1e-9) << "round " << round;
    // Found where no more is asked for; where less is, a bound between the two.
    EXPECT_TRUE(least_slowest_stage(problem, Seconds(best)).split.has_value()) << "round " << round;
    const Seconds less(0.9 * best);
    const LeastSlowest none = least_slowest_stage(problem, less);
    EXPECT_FALSE(none.split.has_value()) << "round " << round;
    EXPECT_GT(none.at_least, less) << "round " << round;
    EXPECT_LE(none.at_least.value(), best * (1.0 + 1e-9)) << "round " << round;
  }
  EXPECT_GT(infeasible, 30);
}

std::optional<Split> least_weighted(const SplitJob& job, const SplitObjective& objective) {
  const std::optional<StageSplit> split = least_weighted_split(job.problem(), objective);
  return split ? std::optional(split->layers) : std::nullopt;
}

TEST(LeastWeightedSplit, TheSumDecidesBetweenSplitsWithTheSameSlowestStage) {
  // Room for 2, 3 and 3 layers of 1: six layers as 2 2 2 in none of which anything is computed twice.
  const SplitJob job = job_of(6, 3, 0.0);
  EXPECT_EQ(least_weighted(crowded(job, {2, 3, 3}), {.slowest = 1.0, .sum = 1.0}), (Split{2, 2, 2}));
  // Room for one layer on the first stage: 1 3 2 takes 3 for the slowest and 6 for all. Two layers there take 3 as
  // well.
  EXPECT_EQ(least_weighted(crowded(job, {1, 3, 3}), {.slowest = 1.0, .sum = 1.0}), (Split{1, 3, 2}));
}

TEST(LeastWeightedSplit, ASlowerSlowestStageMayBeWorthIt) {
  // Five layers on two stages with room for 1 and 4: 2 3 takes 3 and 3, 1 4 takes 1 and 4, one more for the slowest
  // stage and one less in sum.
  const SplitJob job = job_of(5, 2, 0.0);
  EXPECT_EQ(least_weighted(crowded(job, {1, 4}), {.slowest = 1.0, .sum = 0.5}), (Split{2, 3}));
  EXPECT_EQ(least_weighted(crowded(job, {1, 4}), {.slowest = 1.0, .sum = 2.0}), (Split{1, 4}));
}

TEST(LeastWeightedSplit, OfTheSameSlowestStageTheLeastSum) {
  // Room for 1 and 2: 3 2 takes 4.5 and 2, 2 3 takes 3 and 4.5.
  const SplitJob job = job_of(5, 2, 0.0);
  EXPECT_EQ(least_weighted(crowded(job, {1, 2}), {.slowest = 1.0, .sum = 0.1}), (Split{3, 2}));
}

TEST(LeastWeightedSplit, NothingThatCostsMoreThanAsked) {
  // As above, 2 3 costs 3 + 0.5 x 6 = 6.
  const SplitJob job = crowded(job_of(5, 2, 0.0), {1, 4});
  EXPECT_EQ(least_weighted(job, {.slowest = 1.0, .sum = 0.5, .at_most = Seconds(6.0)}), (Split{2, 3}));
  EXPECT_EQ(least_weighted(job, {.slowest = 1.0, .sum = 0.5, .at_most = Seconds(5.9)}), std::nullopt);
  // Four layers with room for all: 2 + 0.5 x 4.
  const SplitJob roomy = job_of(4, 2, 0.0);
  EXPECT_EQ(least_weighted(roomy, {.slowest = 1.0, .sum = 0.5, .at_most = Seconds(4.0)}), (Split{2, 2}));
  EXPECT_EQ(least_weighted(roomy, {.slowest = 1.0, .sum = 0.5, .at_most = Seconds(3.9)}), std::nullopt);
}

struct Tally {
  int infeasible = 0;
  int slower = 0;  // the slowest stage is slower than it could be
};

void expect_exact(const StageSplitProblem& problem, const SplitObjective& objective, Tally& tally) {
  const auto cost = [&](const StageSplit& split) { return objective.of(split.slowest, split.sum); };
  const double best = least_of_every_split(problem, cost);
  const auto split = least_weighted_split(problem, objective);
  ASSERT_EQ(split.has_value(), best < kNever);
  if (!split) {
    ++tally.infeasible;
    return;
  }
  EXPECT_NEAR(cost(*split).value(), best, 1e-9);
  if (split->slowest.value() > least_slowest_stage(problem).at_least.value() + 1e-9) ++tally.slower;
  // What costs as much is found where no more is asked for, and nothing where less is.
  SplitObjective limited = objective;
  limited.at_most = Seconds(best);
  EXPECT_TRUE(least_weighted_split(problem, limited).has_value());
  limited.at_most = Seconds(best - 1e-6);
  EXPECT_FALSE(least_weighted_split(problem, limited).has_value());
}

TEST(LeastWeightedSplit, NoOtherSplitThatFitsCostsLess) {
  std::mt19937 random(20261123);
  std::uniform_int_distribution<int> any(1, 6);
  Tally tally;
  for (int round = 0; round < 1000; ++round) {
    SCOPED_TRACE(round);
    SplitJob job = random_job(random, round);
    if (round % 3 == 0) {
      for (int l = 0; l < any(random); ++l) job.layer_times_L.emplace_back(any(random));
      std::vector<int> room;
      for (int i = 0; i < job.stages; ++i) room.push_back(any(random) - 2);
      job = crowded(job, room);
    }
    expect_exact(job.problem(), {.slowest = static_cast<double>(any(random) - 1), .sum = 0.5 * any(random)}, tally);
  }
  EXPECT_GT(tally.infeasible, 30);
  EXPECT_GT(tally.slower, 30);
}

}  // namespace
}  // namespace sextant
