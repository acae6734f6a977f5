#include "tools/experiment/experiment_rows.h"

#include <optional>
#include <string>
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

TEST(MeasuredOverLowerBound, IsTheGeometricMeanOverTheRows) {
  // bounds are half the predictions: 4 / 1 and 2 / 1.25: sqrt(4 * 1.6)
  const std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[1]};
  EXPECT_DOUBLE_EQ(measured_over_lower_bound(rows), 2.5298221281347035);
}

// An experiment row of 2 s with 1 s exposed where sequential, 1.5 s with 0.5 s otherwise.
ExperimentRow shared_row(const std::string& schedule, const std::string& layout) {
  const bool is_serial = schedule == "sequential";
  ExperimentRow row = example_row("a", schedule, {.predicted_s = is_serial ? 2.0 : 1.5});
  row.layout = layout;
  row.exposed = Seconds(is_serial ? 1.0 : 0.5);
  return row;
}

TEST(CommunicationShare, IsThatOfTheSequentialPlanOfTheSameNameAndLayout) {
  std::vector<ExperimentRow> rows{shared_row("fsmoe", "one"), shared_row("sequential", "one"),
                                  shared_row("fsmoe", "two")};
  set_communication_shares(rows);
  EXPECT_EQ(rows[0].communication_share, 0.5);  // 1 s of 2 s
  EXPECT_EQ(rows[1].communication_share, 0.5);
  EXPECT_EQ(rows[2].communication_share, std::nullopt) << "no sequential plan in this layout";
}

TEST(CommunicationShare, OfAnotherNameCountsForNothing) {
  std::vector<ExperimentRow> rows{shared_row("fsmoe", "one"), shared_row("sequential", "one")};
  rows[1].name = "b";
  set_communication_shares(rows);
  EXPECT_EQ(rows[0].communication_share, std::nullopt);
}

TEST(FastestPredicted, IsTheFirstOfThoseAlike) {
  const std::vector<ExperimentRow> rows{example_row("a", "fsmoe", {.predicted_s = 2.0}),
                                        example_row("b", "fsmoe", {.predicted_s = 1.0}),
                                        example_row("c", "fsmoe", {.predicted_s = 1.0})};
  EXPECT_EQ(fastest_predicted(rows, "fsmoe"), &rows[1]);
  EXPECT_EQ(fastest_predicted(rows, "lina"), nullptr);
}

TEST(CaseRows, AreThoseOfOneNameAndLayout) {
  std::vector<ExperimentRow> rows = example_rows();
  rows[1].layout = "other";
  const std::vector<RowGroup> cases = case_rows(rows);
  ASSERT_EQ(cases.size(), 3U);  // a in two layouts, b in one
  EXPECT_EQ(cases[1].key, "other");
  EXPECT_EQ(cases[2].rows.size(), 2U);
}

TEST(MakeRows, PutThePredictionBesideTheStepsOfAllRepeats) {
  const auto costs = make_cost_model(four_ranks());
  const ExperimentPlans plans = plan_experiment(small_experiment(), four_ranks(), four_ranks().topology, [](int) {});
  // steps 1 3 | 2 4: median of 1 2 3 4 is 2.5; medians of the repeats 2 and 3: spread 3/2 - 1
  const StepTimes times{{Seconds(1.0), Seconds(3.0)}, {Seconds(2.0), Seconds(4.0)}};
  const std::vector<StepTimes> of_plans{times, times};
  const std::vector<ExperimentRow> rows = make_rows(plans.plans, *costs, of_plans);
  const ExperimentRow& row = rows.at(1);
  EXPECT_EQ(row.name, "small b8 s16");
  EXPECT_EQ(row.schedule, "fsmoe");
  EXPECT_EQ(row.layout, "dp4 tp1 | edp1 ep4 esp1");
  EXPECT_EQ(row.predicted, plans.plans[1].plan.prediction.step_time);
  EXPECT_LT(row.uncontended, row.predicted) << "this cluster slows computing beside links";
  EXPECT_EQ(row.lower_bound, plans.plans[1].plan.prediction.lower_bound);
  EXPECT_GT(row.lower_bound, Seconds(0.0));
  EXPECT_LE(row.lower_bound, row.predicted);
  EXPECT_EQ(row.measured.median, Seconds(2.5));
  EXPECT_DOUBLE_EQ(repeat_spread(row.repeat_medians).value(), 0.5);
  // plan 0 is the sequential one of the same layout
  EXPECT_EQ(row.communication_share, rows[0].exposed / rows[0].predicted);
  EXPECT_EQ(rows[0].exposed, plans.plans[0].plan.prediction.exposed_communication);
  EXPECT_GT(*row.communication_share, 0.0);
}

TEST(RepeatSpread, OneRepeatHasNone) {
  EXPECT_EQ(repeat_spread(repeat_medians({{Seconds(1.0), Seconds(3.0)}})), std::nullopt);
  EXPECT_EQ(repeat_spread(repeat_medians({{Seconds(2.0)}, {Seconds(3.0)}})), 0.5);
}

// By hand: of the three pairs of "a" the repeats agree on two, (2 - 1) / 3; of the one of "b" on none, -1; "c" ran
// once.
TEST(RepeatKendallTau, IsTheOrderThatRepeatsAgreeOn) {
  const auto ran = [](const std::string& name, std::vector<Seconds> medians) {
    ExperimentRow row = example_row(name, "tutel", {});
    row.repeat_medians = std::move(medians);
    return row;
  };
  const std::vector<ExperimentRow> rows{ran("a", {Seconds(1.0), Seconds(9.0), Seconds(1.0)}),
                                        ran("a", {Seconds(2.0), Seconds(9.0), Seconds(3.0)}),
                                        ran("a", {Seconds(3.0), Seconds(9.0), Seconds(2.0)}),
                                        ran("b", {Seconds(1.0), Seconds(2.0)}),
                                        ran("b", {Seconds(2.0), Seconds(1.0)}),
                                        ran("c", {Seconds(1.0)}),
                                        ran("c", {Seconds(2.0)})};
  EXPECT_DOUBLE_EQ(repeat_kendall_tau(rows).value(), (1.0 / 3.0 - 1.0) / 2.0);
  EXPECT_EQ(repeat_kendall_tau(example_rows()), std::nullopt);
}

TEST(GroupRows, KeepsTheOrderOfTheRows) {
  const std::vector<RowGroup> groups = group_rows(example_rows(), &ExperimentRow::schedule);
  ASSERT_EQ(groups.size(), 2U);
  EXPECT_EQ(groups[0].key, "tutel");
  EXPECT_EQ(groups[0].rows[1].name, "b");
}

}  // namespace
}  // namespace sextant
