#include "models/stage_split.h"

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <random>

#include <gtest/gtest.h>

namespace sextant {
namespace {

using Split = std::vector<int>;

constexpr double kNever = std::numeric_limits<double>::infinity();

// Layers of given times, the head on the last stage, and which stages have room for what.
struct Job {
  std::vector<double> layer_times_L;
  double head = 0.0;
  int stages = 1;
  std::function<bool(int stage, int begin, int end)> fits = [](int, int, int) { return true; };

  [[nodiscard]] double time(int stage, int begin, int end) const {
    if (!fits(stage, begin, end)) return kNever;
    return std::accumulate(layer_times_L.begin() + begin, layer_times_L.begin() + end,
                           stage + 1 == stages ? head : 0.0);
  }
  [[nodiscard]] StageSplitProblem problem() const {
    return {.layers = static_cast<int>(layer_times_L.size()),
            .stages = stages,
            .time = [this](int stage, int begin, int end) { return Seconds(time(stage, begin, end)); }};
  }
};

Job job_of(int layers, int stages, double head) {
  return {.layer_times_L = std::vector<double>(static_cast<std::size_t>(layers), 1.0), .head = head, .stages = stages};
}

struct Stages {
  double slowest = 0.0;
  double sum = 0.0;
};

Stages stages_of(const StageSplitProblem& problem, const Split& split) {
  Stages stages;
  for (int stage = 0, begin = 0; stage < problem.stages; ++stage) {
    const int end = begin + split[static_cast<std::size_t>(stage)];
    const double time = problem.time(stage, begin, end).value();
    stages.slowest = std::max(stages.slowest, time);
    stages.sum += time;
    begin = end;
  }
  return stages;
}

// The least of slowest * max t_i + sum * (sum of t_i) over all splits; infinite where none fits.
double by_enumeration(const StageSplitProblem& problem, const SplitObjective& objective, Split split = {}) {
  const int left = problem.layers - std::accumulate(split.begin(), split.end(), 0);
  const int stages_left = problem.stages - static_cast<int>(split.size());
  if (stages_left == 0) {
    if (left > 0) return kNever;
    const Stages stages = stages_of(problem, split);
    return stages.sum == kNever ? kNever : objective.slowest * stages.slowest + objective.sum * stages.sum;
  }
  double best = kNever;
  split.push_back(0);
  for (split.back() = 1; split.back() <= left - stages_left + 1; ++split.back()) {
    best = std::min(best, by_enumeration(problem, objective, split));
  }
  return best;
}

TEST(LeastSlowestStage, EvenWhereNothingSpeaksAgainst) {
  EXPECT_EQ(least_slowest_stage(job_of(8, 4, 0.0).problem()), (Split{2, 2, 2, 2}));
  EXPECT_EQ(least_slowest_stage(job_of(7, 3, 0.0).problem()), (Split{3, 2, 2}));
  EXPECT_EQ(least_slowest_stage(job_of(5, 1, 9.0).problem()), (Split{5}));
}

TEST(LeastSlowestStage, TheHeadTakesThePlaceOfLayers) {
  // 10 layers of 1 and a head of 2 on 4 stages: 3 each, the last one layer and the head.
  EXPECT_EQ(least_slowest_stage(job_of(10, 4, 2.0).problem()), (Split{3, 3, 3, 1}));
  // A head of 5 is the slowest stage with its one layer.
  EXPECT_EQ(least_slowest_stage(job_of(10, 4, 5.0).problem()), (Split{3, 3, 3, 1}));
}

TEST(LeastSlowestStage, MemoryMovesLayersToTheEnd) {
  Job job = job_of(9, 3, 0.0);
  job.fits = [](int stage, int begin, int end) { return end - begin <= 2 + stage; };
  EXPECT_EQ(least_slowest_stage(job.problem()), (Split{2, 3, 4}));
  job.fits = [](int /*stage*/, int begin, int end) { return end - begin <= 2; };
  EXPECT_EQ(least_slowest_stage(job.problem()), std::nullopt);
}

TEST(LeastSlowestStage, NoOtherSplitThatFitsIsFaster) {
  std::mt19937 random(20261122);
  std::uniform_int_distribution<int> any(1, 6);
  int infeasible = 0;
  for (int round = 0; round < 300; ++round) {
    Job job{.head = static_cast<double>(any(random)), .stages = 1 + round % 5};
    for (int l = 0; l < job.stages + any(random); ++l) job.layer_times_L.emplace_back(any(random));
    std::vector<int> room;
    for (int i = 0; i < job.stages; ++i) room.push_back(any(random));
    if (round % 3 == 1) {
      job.fits = [&](int stage, int begin, int end) { return end - begin <= room[static_cast<std::size_t>(stage)]; };
    }
    // Layers of different sizes: a stage may have room for one of the later layers and not for one of the earlier.
    std::vector<int> sizes;
    for (std::size_t l = 0; l < job.layer_times_L.size(); ++l) sizes.push_back(any(random));
    if (round % 3 == 2) {
      job.fits = [&](int stage, int begin, int end) {
        return std::accumulate(sizes.begin() + begin, sizes.begin() + end, 0) <=
               2 * room[static_cast<std::size_t>(stage)];
      };
    }
    const StageSplitProblem problem = job.problem();
    const double best = by_enumeration(problem, {});
    const auto split = least_slowest_stage(problem);
    ASSERT_EQ(split.has_value(), best < kNever) << "round " << round;
    if (!split) {
      ++infeasible;
      continue;
    }
    EXPECT_EQ(std::accumulate(split->begin(), split->end(), 0), problem.layers);
    EXPECT_DOUBLE_EQ(slowest_stage(problem, *split).value(), best) << "round " << round;
  }
  EXPECT_GT(infeasible, 10);
}

// Stages slow down where they hold more than their room: some of what they compute, they compute twice.
StageSplitProblem crowded(const Job& job, const std::vector<int>& room) {
  StageSplitProblem problem = job.problem();
  problem.time = [&job, &room](int stage, int begin, int end) {
    const double time = job.time(stage, begin, end);
    const int over = end - begin - room[static_cast<std::size_t>(stage)];
    return Seconds(over <= 0 ? time : over <= 3 ? 1.5 * time : kNever);
  };
  return problem;
}

TEST(LeastWeightedSplit, TheSumDecidesBetweenSplitsWithTheSameSlowestStage) {
  // Room for 2, 3 and 3 layers of 1: six layers as 2 2 2 in none of which anything is computed twice.
  Job job = job_of(6, 3, 0.0);
  EXPECT_EQ(least_weighted_split(crowded(job, {2, 3, 3}), {.slowest = 1.0, .sum = 1.0}), (Split{2, 2, 2}));
  // Room for one layer on the first stage: 1 3 2 takes 3 for the slowest and 6 for all. Two layers there take 3 as
  // well.
  EXPECT_EQ(least_weighted_split(crowded(job, {1, 3, 3}), {.slowest = 1.0, .sum = 1.0}), (Split{1, 3, 2}));
}

TEST(LeastWeightedSplit, ASlowerSlowestStageMayBeWorthIt) {
  // Five layers on two stages with room for 1 and 4: 2 3 takes 3 and 3, 1 4 takes 1 and 4, one more for the slowest
  // stage and one less in sum.
  const Job job = job_of(5, 2, 0.0);
  EXPECT_EQ(least_weighted_split(crowded(job, {1, 4}), {.slowest = 1.0, .sum = 0.5}), (Split{2, 3}));
  EXPECT_EQ(least_weighted_split(crowded(job, {1, 4}), {.slowest = 1.0, .sum = 2.0}), (Split{1, 4}));
}

TEST(LeastWeightedSplit, OfTheSameSlowestStageTheLeastSum) {
  // Room for 1 and 2: 3 2 takes 4.5 and 2, 2 3 takes 3 and 4.5.
  const Job job = job_of(5, 2, 0.0);
  EXPECT_EQ(least_weighted_split(crowded(job, {1, 2}), {.slowest = 1.0, .sum = 0.1}), (Split{3, 2}));
}

TEST(LeastWeightedSplit, NoOtherSplitThatFitsCostsLess) {
  std::mt19937 random(20261123);
  std::uniform_int_distribution<int> any(1, 6);
  int infeasible = 0, slower = 0;
  for (int round = 0; round < 400; ++round) {
    Job job{.head = static_cast<double>(any(random)), .stages = 1 + round % 5};
    for (int l = 0; l < job.stages + any(random) + any(random); ++l) job.layer_times_L.emplace_back(any(random));
    std::vector<int> room;
    for (int i = 0; i < job.stages; ++i) room.push_back(any(random) - 2);
    const StageSplitProblem problem = crowded(job, room);
    const SplitObjective objective{.slowest = static_cast<double>(any(random) - 1), .sum = 0.5 * any(random)};
    const double best = by_enumeration(problem, objective);
    const auto split = least_weighted_split(problem, objective);
    ASSERT_EQ(split.has_value(), best < kNever) << "round " << round;
    if (!split) {
      ++infeasible;
      continue;
    }
    const Stages stages = stages_of(problem, *split);
    EXPECT_NEAR(objective.slowest * stages.slowest + objective.sum * stages.sum, best, 1e-9) << "round " << round;
    if (stages.slowest > slowest_stage(problem, least_slowest_stage(problem).value()).value() + 1e-9) ++slower;
  }
  EXPECT_GT(infeasible, 10);
  EXPECT_GT(slower, 10);
}

}  // namespace
}  // namespace sextant
