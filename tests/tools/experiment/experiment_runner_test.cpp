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
    const std::vector<StepTimes> times =
        measure_plans(world, {.plans = plans,
                              .costs = *costs,
                              .corpus = corpus,
                              .steps = 3,
                              .warmup_steps = 1,
                              .repeats = 2,
                              .on_start = [&](int index, int repeat) { order.emplace_back(index, repeat); }});
    EXPECT_THAT(order, ElementsAre(Pair(0, 0), Pair(1, 0), Pair(0, 1), Pair(1, 1)));
    EXPECT_EQ(times.size(), 2U);
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

TEST(TimeLeft, GrowsWithWhatIsLeft) {
  // 10 s for 2 predicted seconds, 6 left: 30 s
  EXPECT_EQ(time_left(Seconds(10.0), Seconds(2.0), Seconds(6.0)), Seconds(30.0));
  EXPECT_EQ(time_left(Seconds(10.0), Seconds(0.0), Seconds(6.0)), Seconds(0.0));
}

}  // namespace
}  // namespace sextant
