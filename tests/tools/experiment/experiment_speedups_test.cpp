#include "tools/experiment/experiment_speedups.h"

#include <optional>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/experiment/example_rows.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;

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

// Name "a" in one layout, name "b" in another, with these shares of communication.
std::vector<ExperimentRow> rows_of_shares(std::optional<double> of_a, std::optional<double> of_b) {
  std::vector<ExperimentRow> rows = example_rows();
  for (ExperimentRow& row : rows) {
    row.layout = row.name == "a" ? "one" : "two";
    row.communication_share = row.name == "a" ? of_a : of_b;
  }
  return rows;
}

std::vector<std::string> labels(const std::vector<CaseGroup>& groups) {
  std::vector<std::string> result;
  for (const CaseGroup& group : groups) result.push_back(group.label);
  return result;
}

TEST(CaseGroups, AreAllTheBalancedOnesAndThoseOfEachLayout) {
  const std::vector<CaseGroup> groups = case_groups(rows_of_shares(0.8, 0.7));
  EXPECT_THAT(labels(groups), ElementsAre("all cases", "communication 40 to 70 %", "one", "two"));
  EXPECT_EQ(groups[0].cases, 2);
  EXPECT_EQ(groups[0].share->least, 0.7);
  EXPECT_EQ(groups[0].share->largest, 0.8);
  EXPECT_EQ(groups[1].cases, 1) << "only b, at the edge";
  EXPECT_DOUBLE_EQ(speedups(groups[1].rows, "tutel").at(0).measured, 2.25);  // b: 9 / 4
  EXPECT_DOUBLE_EQ(speedups(groups[2].rows, "tutel").at(0).measured, 2.0);   // a: 4 / 2
  EXPECT_EQ(groups[3].share->least, 0.7);
}

TEST(CaseGroups, ThatNoneIsBalancedIsSaid) {
  const std::vector<CaseGroup> groups = case_groups(rows_of_shares(0.39, 0.71));
  EXPECT_EQ(groups.at(1).label, "communication 40 to 70 %");
  EXPECT_EQ(groups[1].cases, 0);
  EXPECT_EQ(groups[1].share, std::nullopt);
  EXPECT_TRUE(speedups(groups[1].rows, "tutel").empty());
}

TEST(CaseGroups, WithoutSharesOrSeveralLayoutsThereIsOne) {
  EXPECT_THAT(labels(case_groups(rows_of_shares(std::nullopt, std::nullopt))), ElementsAre("all cases", "one", "two"));
  EXPECT_THAT(labels(case_groups(example_rows())), ElementsAre("all cases"));
}

}  // namespace
}  // namespace sextant
