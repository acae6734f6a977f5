#include "tools/experiment/experiment_text.h"

#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/experiment/example_rows.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

// What the figures are computed from: experiment_results_test.cpp and experiment_speedups_test.cpp.
TEST(ExperimentText, HasErrorsAndDistanceFromTheBoundBySchedule) {
  const std::vector<ExperimentRow> rows = example_rows();
  const std::string text = experiment_text({.rows = rows, .references = {"tutel"}});
  EXPECT_THAT(text, StartsWith("prediction "));
  EXPECT_THAT(text, HasSubstr("with contention                     25.0 %    46.2 %   -12.5 %   0.000    50.0 %\n"));
  EXPECT_THAT(text,
              HasSubstr("fsmoe                               25.0 %    25.0 %    +0.0 %       2             2.07x\n"));
  EXPECT_THAT(text, HasSubstr("\n4 plans, 0 skipped; the median of a plan moved by 25.0 % between its repeats\n"));
}

TEST(ExperimentText, HasATableOfSpeedupsForEachReference) {
  std::vector<ExperimentRow> rows = example_rows();
  for (ExperimentRow& row : rows) row.communication_share = row.name == "a" ? 0.5 : 0.9;
  const std::string text = experiment_text({.rows = rows, .references = {"tutel", "fsmoe"}});
  EXPECT_THAT(text, HasSubstr("times as fast as tutel         communication  cases      fsmoe\n"
                              "all cases                           50..90 %      2     2.121x\n"
                              "  predicted                                             1.549x\n"
                              "  without contention                                    2.000x\n"
                              "communication 40 to 70 %                50 %      1     2.000x\n"));
  EXPECT_THAT(text, HasSubstr("times as fast as fsmoe "));
}

TEST(ExperimentText, SaysWhereAScheduleRanInFewerCases) {
  std::vector<ExperimentRow> rows = example_rows();
  rows.pop_back();  // fsmoe of "b"
  EXPECT_THAT(experiment_text({.rows = rows, .references = {"tutel"}}), HasSubstr("      2   2.000x/1\n"));
}

TEST(ExperimentText, SaysWhereEachPlanRanOnce) {
  std::vector<ExperimentRow> rows{example_rows()[0]};
  rows[0].repeat_medians = {Seconds(1.0)};
  EXPECT_THAT(experiment_text({.rows = rows, .references = {"tutel"}}),
              HasSubstr("\n1 plans, 0 skipped; each plan ran once\n"));
}

TEST(ExperimentText, NamesThePickAndTheFastest) {
  const std::vector<ExperimentRow> rows = example_rows();
  const std::string text = experiment_text({.rows = rows, .references = {"tutel"}});
  EXPECT_THAT(text, HasSubstr("a: the pick takes +100.0 %, of 2 plans\n"
                              "  picked            4 s  tutel on dp4 tp1 | edp1 ep4 esp1, degrees 2, 1..4\n"
                              "  fastest           2 s  fsmoe on dp4 tp1 | edp1 ep4 esp1, degrees 2, 1..4\n"));
  EXPECT_THAT(text, HasSubstr("mean 50.0 %, worst 100.0 %\n"));
  EXPECT_THAT(text, Not(HasSubstr("again")));
}

TEST(ExperimentText, TheFinalRoundStandsBesideTheFirst) {
  const std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[1]};
  const std::vector<Finalist> again{{.row = 0, .times = {{Seconds(3.0)}, {Seconds(2.0)}}},
                                    {.row = 1, .times = {{Seconds(2.0)}, {Seconds(2.0)}}}};
  const std::string text = experiment_text({.rows = rows, .finalists = again, .references = {"tutel"}});
  EXPECT_THAT(text, HasSubstr("a: the pick takes +100.0 %, of 2 plans\n"));
  EXPECT_THAT(text, HasSubstr("a: the pick takes +25.0 % (+0.0 to +50.0 % by repeat), of 2 plans\n"));
}

}  // namespace
}  // namespace sextant
