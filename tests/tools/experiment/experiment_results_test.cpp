#include "tools/experiment/experiment_results.h"

#include <cmath>
#include <optional>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/experiment/example_rows.h"

namespace sextant {
namespace {

using ::testing::EndsWith;
using ::testing::HasSubstr;

nlohmann::json summary(const std::vector<ExperimentRow>& rows, const std::vector<SkippedPlan>& skipped = {}) {
  return nlohmann::json::parse(experiment_json({.rows = rows,
                                                .skipped = skipped,
                                                .references = {"tutel"},
                                                .backend = "local",
                                                .machine = "none",
                                                .date = "2025-01-31T12:00:00Z",
                                                .topology = {.nodes = 1, .devices_per_node = 4}}));
}

TEST(ResultsCsv, HasARowAPlan) {
  // error 2 / 4 - 1
  const std::vector<ExperimentRow> rows{example_rows()[0]};
  EXPECT_EQ(results_csv(rows),
            "name,schedule,layout,r_fwd,r_bwd,predicted_s,measured_s,measured_p10_s,measured_p90_s,error\n"
            "a,tutel,dp4 tp1 | edp1 ep4 esp1,2,1..4,2,4,2,8,-0.5\n");
  EXPECT_EQ(details_csv(rows),
            "name,schedule,layout,r_fwd,r_bwd,micro_batch,num_micro_batches,predicted_low_s,predicted_high_s,"
            "predicted_uncontended_s,measured_mean_s,repeat_spread,lower_bound_s,communication_share\n"
            "a,tutel,dp4 tp1 | edp1 ep4 esp1,2,1..4,2,1,1,4,1,4,0.25,1,\n");
}

TEST(ResultsCsv, QuotesANameThatACsvReaderWouldSplit) {
  std::vector<ExperimentRow> rows{example_rows()[0]};
  rows[0].name = "my \"tiny\", net";
  EXPECT_THAT(results_csv(rows), HasSubstr("\n\"my \"\"tiny\"\", net\",tutel,"));
}

TEST(ExperimentJson, HasErrorsOrderAndSpeedups) {
  const nlohmann::json json = summary(example_rows());
  EXPECT_EQ(json["plans"], 4);
  EXPECT_DOUBLE_EQ(json["median_abs_error"], 0.25);
  EXPECT_DOUBLE_EQ(json["p95_abs_error"], 0.4625);
  EXPECT_DOUBLE_EQ(json["kendall_tau"], 0.0);
  EXPECT_DOUBLE_EQ(json["regret"], 0.5);
  EXPECT_DOUBLE_EQ(json["without_contention"]["kendall_tau"], 1.0);
  EXPECT_EQ(json["reference"], "tutel");
  EXPECT_DOUBLE_EQ(json["speedup"]["fsmoe"], 2.1213203435596424);
  EXPECT_DOUBLE_EQ(json["speedup_without_contention"]["fsmoe"], 2.0);
  EXPECT_EQ(json["speedup_cases"]["fsmoe"], 2);
  EXPECT_EQ(json["rows"].size(), 4U);
  EXPECT_EQ(json["rows"][1]["measured_s"], 2.0);
  EXPECT_EQ(json["by_schedule"]["fsmoe"]["plans"], 2);
  // measured over half the prediction: fsmoe 2 / 1.25 and 4 / 1.5; tutel 4 / 1 and 9 / 4.5
  EXPECT_DOUBLE_EQ(json["by_schedule"]["fsmoe"]["measured_over_lower_bound"], std::sqrt(1.6 * 4.0 / 1.5));
  EXPECT_DOUBLE_EQ(json["measured_over_lower_bound"], std::pow(1.6 * 4.0 / 1.5 * 4.0 * 2.0, 0.25));
  EXPECT_EQ(json["rows"][1]["lower_bound_s"], 1.25);
}

TEST(DetailsCsv, HasTheShareOfCommunicationWhereItIsKnown) {
  std::vector<ExperimentRow> rows{example_rows()[0]};
  rows[0].communication_share = 0.5;
  EXPECT_THAT(details_csv(rows), EndsWith(",0.25,1,0.5\n"));
}

TEST(ExperimentJson, ChoiceNamesThePickAndTheFastestWithTheirPlans) {
  const nlohmann::json choice = summary(example_rows())["choice"];
  EXPECT_DOUBLE_EQ(choice["mean_regret"], 0.5);
  EXPECT_DOUBLE_EQ(choice["worst_regret"], 1.0);
  const nlohmann::json& a = choice["names"][0];
  EXPECT_EQ(a["name"], "a");
  EXPECT_EQ(a["plans"], 2);
  EXPECT_DOUBLE_EQ(a["regret"], 1.0);
  EXPECT_EQ(a["picked"]["plan"], 1);
  EXPECT_EQ(a["picked"]["schedule"], "tutel");
  EXPECT_EQ(a["picked"]["measured_s"], 4.0);
  EXPECT_EQ(a["fastest"]["plan"], 2);
  EXPECT_EQ(a["fastest"]["predicted_s"], 2.5);
  EXPECT_FALSE(a.contains("regret_by_repeat"));
}

// Plans of "a" measured again, 2 repeats of 1 step: tutel 3 and 3 s, fsmoe 2 and 4 s.
std::vector<Finalist> again() {
  return {{.row = 0, .times = {{Seconds(3.0)}, {Seconds(3.0)}}}, {.row = 1, .times = {{Seconds(2.0)}, {Seconds(4.0)}}}};
}

TEST(ExperimentJson, AFinalRoundIsJudgedApart) {
  const std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[1]};
  const std::vector<Finalist> finalists = again();
  EXPECT_FALSE(summary(rows).contains("final"));
  const nlohmann::json json =
      nlohmann::json::parse(experiment_json({.rows = rows, .finalists = finalists, .references = {"tutel"}}));
  EXPECT_EQ(json["choice"]["worst_regret"], 1.0) << "the first measurement stays";
  EXPECT_EQ(json["final"]["worst_regret"], 0.0);  // both have a median of 3 s
  EXPECT_EQ(json["final"]["repeats"], 2);
  EXPECT_EQ(json["final"]["names"][0]["regret_by_repeat"], nlohmann::json({0.0, 0.0}));
}

TEST(FinalCsv, HasARowAPlanThatWasMeasuredAgain) {
  const std::vector<ExperimentRow> rows{example_rows()[0], example_rows()[1]};
  // fsmoe: median of 2 and 4 is 3, p10 2.2, p90 3.8; medians of the repeats 2 and 4: spread 1
  EXPECT_EQ(final_csv(rows, again()),
            "name,schedule,layout,r_fwd,r_bwd,plan,predicted_s,measured_s,final_s,final_p10_s,final_p90_s,"
            "repeat_spread,picked\n"
            "a,tutel,dp4 tp1 | edp1 ep4 esp1,2,1..4,1,2,4,3,3,3,0,1\n"
            "a,fsmoe,dp4 tp1 | edp1 ep4 esp1,2,1..4,2,2.5,2,3,2.2,3.8,1,0\n");
}

TEST(ExperimentJson, HasSpeedupsByGroupOfCasesOverEachReference) {
  std::vector<ExperimentRow> rows = example_rows();
  for (ExperimentRow& row : rows) row.communication_share = row.name == "a" ? 0.5 : 0.9;
  const nlohmann::json json = nlohmann::json::parse(experiment_json({.rows = rows, .references = {"tutel", "fsmoe"}}));
  EXPECT_EQ(json["reference"], "tutel");
  EXPECT_EQ(json["references"], nlohmann::json({"tutel", "fsmoe"}));
  ASSERT_EQ(json["speedups"].size(), 4U);  // all and balanced cases, over each of two
  const nlohmann::json& balanced = json["speedups"][1];
  EXPECT_EQ(balanced["over"], "tutel");
  EXPECT_EQ(balanced["group"], "communication 40 to 70 %");
  EXPECT_EQ(balanced["communication_share"], nlohmann::json({0.5, 0.5}));
  EXPECT_EQ(balanced["cases"], 1);
  EXPECT_DOUBLE_EQ(balanced["schedules"]["fsmoe"]["measured"], 2.0);
  EXPECT_EQ(balanced["schedules"]["fsmoe"]["cases"], 1);
  EXPECT_EQ(json["speedups"][2]["over"], "fsmoe");
  EXPECT_DOUBLE_EQ(json["speedups"][3]["schedules"]["tutel"]["measured"], 0.5);
}

TEST(ExperimentJson, WhatOnePlanCannotSayIsNull) {
  const nlohmann::json json = summary({example_rows()[0]});
  EXPECT_TRUE(json["kendall_tau"].is_null());
  EXPECT_TRUE(json["regret"].is_null());
  EXPECT_TRUE(json["speedup"].empty());
  EXPECT_TRUE(json["choice"].is_null());
}

TEST(ExperimentJson, PlansThatRanOnceHaveNoSpread) {
  std::vector<ExperimentRow> rows{example_rows()[0]};
  EXPECT_EQ(summary(rows)["repeat_spread"], 0.25);
  EXPECT_TRUE(summary(rows)["repeat_kendall_tau"].is_null());
  rows[0].repeat_medians = {Seconds(1.0)};
  EXPECT_TRUE(summary(rows)["repeat_spread"].is_null());
  EXPECT_THAT(details_csv(rows), EndsWith(",4,,1,\n"));
}

TEST(ExperimentJson, NamesWhatWasSkipped) {
  const nlohmann::json json = summary({example_rows()[0]}, {{"a", "lina", "dp3", "chosen", "does not divide"}});
  EXPECT_EQ(json["skipped"][0]["schedule"], "lina");
  EXPECT_EQ(json["skipped"][0]["reason"], "does not divide");
}

}  // namespace
}  // namespace sextant
