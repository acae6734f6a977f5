#include "tools/experiment/experiment_plans.h"

#include <filesystem>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/experiment/small_experiment.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

ExperimentPlans plan(const Experiment& experiment) {
  return plan_experiment(experiment, four_ranks(), four_ranks().topology, [](int) {});
}

TEST(PlanExperiment, FormsTheProductInTheOrderOfTheFile) {
  Experiment experiment = small_experiment();
  experiment.sequences = {16, 32};
  const ExperimentPlans plans = plan(experiment);
  // 2 sequences x 1 layout x 2 schedules
  ASSERT_EQ(plans.plans.size(), 4U);
  EXPECT_EQ(plans.plans[0].name, "small b8 s16");
  EXPECT_EQ(plans.plans[0].plan.schedule.policy, Policy::kSequential);
  EXPECT_EQ(plans.plans[1].plan.schedule.policy, Policy::kFsmoe);
  EXPECT_EQ(plans.plans[2].name, "small b8 s32");
  EXPECT_EQ(plans.plans[3].plan.step.sequence, 32);
  EXPECT_TRUE(plans.skipped.empty());
}

TEST(PlanExperiment, ABatchPerRankGrowsWithTheJob) {
  Experiment experiment = small_experiment();
  experiment.batches = {{.samples = 4, .is_per_rank = true}};
  const ExperimentPlans plans = plan(experiment);
  ASSERT_EQ(plans.plans.size(), 2U);
  EXPECT_EQ(plans.plans[0].name, "small b16 s16");  // 4 samples of each of 4 ranks
  EXPECT_EQ(plans.plans[0].plan.step.global_batch(), 16);
}

// Layouts written so serve jobs of any size that has them.
TEST(PlanExperiment, TheLayoutsOfLayerSmallDivideFourRanksAndEight) {
  const Experiment file =
      load_experiment(std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs/experiments/layer_small.yaml");
  for (const int ranks : {4, 8}) {
    Experiment experiment = small_experiment();
    experiment.networks[0].num_experts = file.networks.front().num_experts;
    experiment.layouts = file.layouts;
    experiment.batches = file.batches;
    experiment.micro_batches = file.micro_batches;
    experiment.schedules = {Policy::kSequential};
    const Cluster cluster = ranks_of_one_node(ranks);
    const ExperimentPlans plans = plan_experiment(experiment, cluster, cluster.topology, [](int) {});
    EXPECT_TRUE(plans.skipped.empty());
    ASSERT_EQ(plans.plans.size(), 2U);
    EXPECT_EQ(to_text(plans.plans[0].plan.step.layout.degrees()), fmt::format("dp{0} tp1 | edp1 ep{0} esp1", ranks));
    EXPECT_EQ(to_text(plans.plans[1].plan.step.layout.degrees()),
              fmt::format("dp{0} tp2 | edp1 ep{0} esp2", ranks / 2));
  }
}

TEST(PlanExperiment, CountsEveryPoint) {
  int points = 0;
  static_cast<void>(
      plan_experiment(small_experiment(), four_ranks(), four_ranks().topology, [&](int n) { points = n; }));
  EXPECT_EQ(points, 2);
}

TEST(PlanExperiment, AllLayoutsAreTheSearchs) {
  Experiment experiment = small_experiment();
  experiment.layouts = {{.kind = LayoutChoice::Kind::kAll}};
  experiment.schedules = {Policy::kSequential};
  const ExperimentPlans plans = plan(experiment);
  EXPECT_EQ(plans.plans.size() + plans.skipped.size(), enumerate_layouts({}, 4).size());
}

TEST(PlanExperiment, TheBestLayoutIsThatOfTheFastestPlan) {
  Experiment experiment = small_experiment();
  experiment.layouts = {{.kind = LayoutChoice::Kind::kBest}};
  experiment.schedules = {Policy::kFsmoe};
  SearchRequest request;
  request.network = experiment.networks[0];
  request.global_batch = 8;
  request.sequence = 16;
  request.policy = Policy::kFsmoe;
  const PlanResult best = search_plans(request, four_ranks());
  const ExperimentPlans plans = plan(experiment);
  ASSERT_EQ(plans.plans.size(), 1U);
  EXPECT_EQ(plans.plans[0].plan.step.layout, best.plans[0].step.layout);
  EXPECT_EQ(plans.plans[0].plan.prediction.step_time, best.plans[0].prediction.step_time);
}

TEST(PlanExperiment, FixedDegreesAndMicroBatchesAreKept) {
  Experiment experiment = small_experiment();
  experiment.schedules = {Policy::kTutel};
  experiment.degrees = {{1, 1}, {2, 3}};
  experiment.micro_batches = {1};
  const ExperimentPlans plans = plan(experiment);
  ASSERT_EQ(plans.plans.size(), 2U);
  EXPECT_EQ(plans.plans[1].name, "small b8 s16 m1");
  EXPECT_EQ(plans.plans[1].plan.step.micro_batch, 1);
  EXPECT_EQ(plans.plans[1].plan.schedule.degrees[0], (LayerDegrees{2, 3}));
}

TEST(PlanExperiment, WhatCannotBeIsSkippedWithTheReason) {
  Experiment experiment = small_experiment();
  experiment.schedules = {Policy::kSequential};
  experiment.layouts = {{.kind = LayoutChoice::Kind::kFixed, .fixed = {.ep = 3}},
                        {.kind = LayoutChoice::Kind::kFixed, .fixed = {.tp = 4, .ep = 4}}};
  experiment.networks[0].heads = 2;
  experiment.networks[0].kv_heads = 2;
  const ExperimentPlans plans = plan(experiment);
  EXPECT_TRUE(plans.plans.empty());
  ASSERT_EQ(plans.skipped.size(), 2U);
  EXPECT_EQ(plans.skipped[0].layout, "ep3");
  EXPECT_EQ(plans.skipped[0].reason, "no layout of 4 ranks has these degrees");
  EXPECT_EQ(plans.skipped[1].schedule, "sequential");
  EXPECT_THAT(plans.skipped[1].reason, HasSubstr("tp"));
}

TEST(PlanExperiment, APlanThatDoesNotFitIsSkippedWithTheTermThatBrokeIt) {
  Cluster small = four_ranks();
  small.device.memory = Bytes(1024.0);
  const ExperimentPlans plans = plan_experiment(small_experiment(), small, small.topology, [](int) {});
  EXPECT_TRUE(plans.plans.empty());
  ASSERT_EQ(plans.skipped.size(), 2U);
  EXPECT_THAT(plans.skipped[0].reason, HasSubstr("memory"));
}

TEST(PlanExperiment, AMicroBatchThatDoesNotDivideIsSkipped) {
  Experiment experiment = small_experiment();
  experiment.micro_batches = {3};
  EXPECT_EQ(plan(experiment).skipped.at(0).reason, "micro-batch 3 does not divide the 2 samples of a replica");
}

TEST(PlanExperiment, MoreChunksThanRowsAreSkipped) {
  Experiment experiment = small_experiment();
  experiment.schedules = {Policy::kTutel};
  experiment.degrees = {{10000, 10000}};
  const ExperimentPlans plans = plan(experiment);
  EXPECT_TRUE(plans.plans.empty());
  // 32 tokens of a rank, 2 of 4 experts each, capacity factor 1.5: ceil(2 * 1.5 * 32 / 4) = 24 rows
  EXPECT_EQ(plans.skipped.at(0).reason, "degree 10000 exceeds the 24 rows of an expert");
}

TEST(PlanExperiment, ThePlanOfAnotherPointIsNotMeasuredTwice) {
  Experiment experiment = small_experiment();
  experiment.schedules = {Policy::kSequential};  // the planner's choice is 1
  experiment.degrees = {{1, 1}, {}};
  const ExperimentPlans plans = plan(experiment);
  EXPECT_EQ(plans.plans.size(), 1U);
  ASSERT_EQ(plans.skipped.size(), 1U);
  EXPECT_EQ(plans.skipped[0].degrees, "chosen");
  EXPECT_EQ(plans.skipped[0].reason, "the same plan as sequential on dp4 tp1 | edp1 ep4 esp1, degrees 1/1");
}

TEST(PossibleMicroBatches, AreThoseListedOrTheDivisorsOfEveryBatch) {
  Experiment experiment = small_experiment();
  experiment.batches = {{.samples = 2, .is_per_rank = true}, {.samples = 6}};
  EXPECT_THAT(possible_micro_batches(experiment, 4), ElementsAre(1, 2, 3, 4, 6, 8));
  experiment.micro_batches = {4, 2};
  EXPECT_THAT(possible_micro_batches(experiment, 4), ElementsAre(2, 4));
}

}  // namespace
}  // namespace sextant
