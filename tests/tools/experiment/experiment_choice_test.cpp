#include "tools/experiment/experiment_choice.h"

#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/experiment/example_rows.h"

namespace sextant {
namespace {

using ::testing::DoubleNear;
using ::testing::ElementsAre;

// Name "n": five plans, predicted 3 1 1 4 5 s, measured 10 12 13 9 11 s; beside it a name of one plan.
std::vector<ExperimentRow> five_plans() {
  return {example_row("alone", "fsmoe", {.predicted_s = 1.0, .measured_s = 1.0}),
          example_row("n", "tutel", {.predicted_s = 3.0, .measured_s = 10.0}),
          example_row("n", "fsmoe", {.predicted_s = 1.0, .measured_s = 12.0}),
          example_row("n", "lina", {.predicted_s = 1.0, .measured_s = 13.0}),
          example_row("n", "searched", {.predicted_s = 4.0, .measured_s = 9.0}),
          example_row("n", "sequential", {.predicted_s = 5.0, .measured_s = 11.0})};
}

Finalist finalist(std::size_t row, const std::vector<double>& repeats_s) {
  Finalist result{.row = row, .times = {}};
  for (const double time : repeats_s) result.times.push_back({Seconds(time), Seconds(time)});
  return result;
}

TEST(Choices, OfPlansPredictedAlikeTheSlowestIsThePick) {
  const std::vector<NameChoice> found = choices(five_plans());
  ASSERT_EQ(found.size(), 1U) << "one plan alone is no choice";
  EXPECT_EQ(found[0].name, "n");
  EXPECT_EQ(found[0].plans, 5);
  EXPECT_EQ(found[0].picked, 3U);
  EXPECT_EQ(found[0].fastest, 4U);
  EXPECT_EQ(found[0].picked_time, Seconds(13.0));
  EXPECT_EQ(found[0].fastest_time, Seconds(9.0));
  EXPECT_DOUBLE_EQ(found[0].regret(), 13.0 / 9.0 - 1.0);
  EXPECT_TRUE(found[0].regret_by_repeat.empty());
}

TEST(Choices, TheRegretIsThatOfTheAccuracy) {
  EXPECT_DOUBLE_EQ(choice_score(choices(five_plans()))->mean_regret,
                   *accuracy(five_plans(), &ExperimentRow::predicted).regret);
}

TEST(Finalists, AreThePickAndThoseMeasuredFastestBesideIt) {
  EXPECT_THAT(finalists(five_plans(), 2), ElementsAre(1U, 3U, 4U));
  EXPECT_THAT(finalists(five_plans(), 9), ElementsAre(1U, 2U, 3U, 4U, 5U));
}

TEST(Finalists, APickThatIsFastestTakesNoPlaceOfAnother) {
  std::vector<ExperimentRow> rows = five_plans();
  rows[4].predicted = Seconds(0.5);
  EXPECT_THAT(finalists(rows, 1), ElementsAre(1U, 4U)) << "9 s is the pick, 10 s the fastest beside it";
}

TEST(FinalChoices, AreJudgedByTheFinalRoundAlone) {
  // Medians of 4 steps: tutel 8, lina (the pick) 8.25, searched 8.5. By repeat, the pick over tutel: 8.5/9, 8/7.
  const std::vector<Finalist> again{finalist(1, {9.0, 7.0}), finalist(3, {8.5, 8.0}), finalist(4, {8.0, 9.0})};
  const std::vector<NameChoice> found = final_choices(five_plans(), again);
  ASSERT_EQ(found.size(), 1U);
  EXPECT_EQ(found[0].plans, 3);
  EXPECT_EQ(found[0].picked, 3U);
  EXPECT_EQ(found[0].fastest, 1U);
  EXPECT_DOUBLE_EQ(found[0].regret(), 8.25 / 8.0 - 1.0);
  EXPECT_THAT(found[0].regret_by_repeat, ElementsAre(DoubleNear(8.5 / 9.0 - 1.0, 1e-12), DoubleNear(1.0 / 7.0, 1e-12)));
}

TEST(FinalChoices, APickThatStaysFastestHasNoRegret) {
  const std::vector<Finalist> again{finalist(1, {9.0, 7.0}), finalist(3, {6.0, 6.0}), finalist(4, {8.0, 9.0})};
  const std::vector<NameChoice> found = final_choices(five_plans(), again);
  EXPECT_EQ(found.at(0).fastest, 3U);
  EXPECT_EQ(found[0].regret(), 0.0);
  EXPECT_THAT(found[0].regret_by_repeat, ElementsAre(0.0, 0.0));
}

TEST(ChoiceScore, IsTheMeanAndTheWorstOfTheNames) {
  // regrets 4/2 - 1 = 1 and 0 (example_rows)
  const auto score = choice_score(choices(example_rows())).value();
  EXPECT_DOUBLE_EQ(score.mean_regret, 0.5);
  EXPECT_DOUBLE_EQ(score.worst_regret, 1.0);
  EXPECT_FALSE(choice_score({}));
}

}  // namespace
}  // namespace sextant
