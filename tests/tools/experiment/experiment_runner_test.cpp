#include "tools/experiment/experiment_runner.h"

#include <algorithm>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/experiment/small_experiment.h"
#include "tools/experiment/experiment_plans.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

TEST(MeasurePlans, RunsThemInTurnAndLeavesTheWarmUpOut) {
  const Cluster cluster = four_ranks();
  const ExperimentPlans made = plan_experiment(small_experiment(), cluster, cluster.topology, [](int) {});
  const std::vector<Plan> plans{made.plans.at(0).plan, made.plans.at(1).plan};
  const Corpus corpus = random_corpus(256, 1000);
  const auto costs = make_cost_model(cluster);
  launch(Backend::kLocal, {.num_ranks = 4}, [&](World& world) {
    std::vector<std::pair<int, int>> order;
    std::vector<Seconds> ended;
    const std::vector<StepTimes> times =
        measure_plans(world, {.plans = plans,
                              .costs = *costs,
                              .corpus = corpus,
                              .steps = 3,
                              .warmup_steps = 1,
                              .repeats = 2,
                              .on_start = [&](int index, int repeat) { order.emplace_back(index, repeat); },
                              .on_end = [&](int, int, std::span<const Seconds> steps) { ended.push_back(steps[2]); }});
    EXPECT_THAT(order, ElementsAre(Pair(0, 0), Pair(1, 0), Pair(0, 1), Pair(1, 1)));
    EXPECT_EQ(times.size(), 2U);
    EXPECT_THAT(ended, ElementsAre(times[0][0][2], times[1][0][2], times[0][1][2], times[1][1][2]));
    for (const StepTimes& plan : times) {
      EXPECT_EQ(plan.size(), 2U);
      for (const std::vector<Seconds>& repeat : plan) {
        EXPECT_EQ(repeat.size(), 3U);
        for (const Seconds time : repeat) EXPECT_GT(time, Seconds(0.0));
      }
    }
    return 0;
  });
}

TEST(RandomCorpus, HasEveryTokenOfTheVocabularyAndNoOther) {
  const Corpus corpus = random_corpus(4, 1000);
  EXPECT_EQ(corpus.bytes.size(), 1000U);
  for (const int token : {0, 1, 2, 3}) EXPECT_GT(std::ranges::count(corpus.bytes, token), 200) << token;
  EXPECT_EQ(std::ranges::max(corpus.bytes), 3);
  EXPECT_EQ(corpus.bytes, random_corpus(4, 1000).bytes);
  EXPECT_EQ(std::ranges::max(random_corpus(50000, 10000).bytes), 255);
}

TEST(ShareTexts, EveryRankGetsThoseOfRankZero) {
  launch(Backend::kLocal, {.num_ranks = 3}, [](World& world) {
    const std::vector<std::string> mine =
        world.rank() == 0 ? std::vector<std::string>{"one", "", "three"} : std::vector<std::string>{"other"};
    EXPECT_THAT(share_texts(world, mine), ElementsAre("one", "", "three"));
    EXPECT_TRUE(share_texts(world, {}).empty());
    return 0;
  });
}

TEST(RunProgress, TimeLeftFollowsThePredictions) {
  const Cluster cluster = four_ranks();
  const ExperimentPlans made = plan_experiment(small_experiment(), cluster, cluster.topology, [](int) {});
  std::vector<Plan> plans{made.plans.at(0).plan, made.plans.at(1).plan};
  plans[0].prediction.step_time = Seconds(1.0);
  plans[1].prediction.step_time = Seconds(3.0);
  const auto costs = make_cost_model(cluster);
  const Corpus corpus = random_corpus(256, 100);
  const ExperimentRun run{.plans = plans, .costs = *costs, .corpus = corpus, .repeats = 3, .on_start = nullptr};
  // Of 3 rounds of 1 + 3 predicted seconds 4 + 1 are done in 10 s: 7 are left, 14 s
  const RunProgress progress = run_progress(run, {.index = 1, .repeat = 1, .elapsed = Seconds(10.0)});
  EXPECT_EQ(progress.number, 4);
  EXPECT_EQ(progress.total, 6);
  EXPECT_EQ(progress.left, Seconds(14.0));
  EXPECT_EQ(run_progress(run, {}).left, std::nullopt);
}

}  // namespace
}  // namespace sextant
