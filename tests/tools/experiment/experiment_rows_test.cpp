#include "tools/experiment/experiment_rows.h"

#include <vector>

#include <gtest/gtest.h>

#include "planner/step_prediction.h"
#include "tests/tools/experiment/example_rows.h"
#include "tests/tools/experiment/small_experiment.h"

namespace sextant {
namespace {

TEST(Accuracy, IsComputedOverAllRowsAndOrderedWithinNames) {
  // errors 2/4-1 = -0.5, 2.5/2-1 = 0.25, 0, 3/4-1 = -0.25; absolute sorted 0 0.25 0.25 0.5:
  // median 0.25, mean 0.25, p95 at 2.85: 0.25 + 0.85 * 0.25; signed sorted -0.5 -0.25 0 0.25: median -0.125
  // tau: a -1, b +1: mean 0. regret: a takes tutel, 4/2 - 1 = 1; b 0: mean 0.5
  const Accuracy found = accuracy(example_rows(), &ExperimentRow::predicted);
  EXPECT_DOUBLE_EQ(found.median_abs_error, 0.25);
  EXPECT_DOUBLE_EQ(found.mean_abs_error, 0.25);
  EXPECT_DOUBLE_EQ(found.p95_abs_error, 0.4625);
  EXPECT_DOUBLE_EQ(found.median_error, -0.125);
  EXPECT_DOUBLE_EQ(*found.kendall_tau, 0.0);
  EXPECT_DOUBLE_EQ(*found.regret, 0.5);
}

TEST(Accuracy, OfAnotherPredictionIsItsOwn) {
  // uncontended: both names in the right order
  const Accuracy found = accuracy(example_rows(), &ExperimentRow::uncontended);
  EXPECT_DOUBLE_EQ(*found.kendall_tau, 1.0);
  EXPECT_DOUBLE_EQ(*found.regret, 0.0);
}

TEST(Accuracy, OnePlanOfANameOrdersNothing) {
  const std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[2]};
  EXPECT_FALSE(accuracy(rows, &ExperimentRow::predicted).kendall_tau);
  EXPECT_FALSE(accuracy(rows, &ExperimentRow::predicted).regret);
}

TEST(Speedups, AreGeometricMeansOverNamesAndLayouts) {
  // measured a 4/2 = 2, b 9/4 = 2.25: sqrt(4.5); predicted 0.8, 3: sqrt(2.4); uncontended 2, 2: 2
  const std::vector<Speedup> found = speedups(example_rows(), "tutel");
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].schedule, "fsmoe");
  EXPECT_EQ(found[0].cases, 2);
  EXPECT_DOUBLE_EQ(found[0].measured, 2.1213203435596424);
  EXPECT_DOUBLE_EQ(found[0].predicted, 1.5491933384829668);
  EXPECT_DOUBLE_EQ(found[0].uncontended, 2.0);
}

TEST(Speedups, OfSeveralDegreesTheOnePredictedFastestCounts) {
  // fsmoe of "b" once more, predicted faster (1 s) and measured slower (18 s): 9/18
  std::vector<ExperimentRow> rows{example_rows()[2], example_rows()[3]};
  rows.push_back(example_row("b", "fsmoe", {.predicted_s = 1.0, .measured_s = 18.0, .uncontended_s = 1.0}));
  EXPECT_DOUBLE_EQ(speedups(rows, "tutel").at(0).measured, 0.5);
}

TEST(Speedups, NeedTheReferenceInTheSameLayout) {
  std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[1]};
  rows[1].layout = "dp2 tp2 | edp1 ep4 esp1";
  EXPECT_TRUE(speedups(rows, "tutel").empty());
  EXPECT_TRUE(speedups(rows, "lina").empty());
}

TEST(MakeRow, PutsThePredictionBesideTheStepsOfAllRepeats) {
  const auto costs = make_cost_model(four_ranks());
  const ExperimentPlans plans = plan_experiment(small_experiment(), four_ranks(), four_ranks().topology, [](int) {});
  // steps 1 3 | 2 4: median of 1 2 3 4 is 2.5; medians of the repeats 2 and 3: spread 3/2 - 1
  const StepTimes times{{Seconds(1.0), Seconds(3.0)}, {Seconds(2.0), Seconds(4.0)}};
  const ExperimentRow row = make_row(plans.plans.at(1), *costs, times);
  EXPECT_EQ(row.name, "small b8 s16");
  EXPECT_EQ(row.schedule, "fsmoe");
  EXPECT_EQ(row.layout, "dp4 tp1 | edp1 ep4 esp1");
  EXPECT_EQ(row.predicted, plans.plans[1].plan.prediction.step_time);
  EXPECT_LT(row.uncontended, row.predicted) << "this cluster slows computing beside links";
  EXPECT_EQ(row.measured.median, Seconds(2.5));
  EXPECT_DOUBLE_EQ(row.repeat_spread, 0.5);
}

TEST(GroupRows, KeepsTheOrderOfTheRows) {
  const std::vector<RowGroup> groups = group_rows(example_rows(), &ExperimentRow::schedule);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].key, "tutel");
  EXPECT_EQ(groups[0].rows[1].name, "b");
}

}  // namespace
}  // namespace sextant
