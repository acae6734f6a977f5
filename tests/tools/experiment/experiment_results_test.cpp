#include "tools/experiment/experiment_results.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/experiment/example_rows.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

nlohmann::json summary(const std::vector<ExperimentRow>& rows, const std::vector<SkippedPlan>& skipped = {}) {
  return nlohmann::json::parse(experiment_json({.rows = rows,
                                                .skipped = skipped,
                                                .reference = "tutel",
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
            "predicted_uncontended_s,measured_mean_s,repeat_spread\n"
            "a,tutel,dp4 tp1 | edp1 ep4 esp1,2,1..4,2,1,1,4,1,4,0.25\n");
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
  EXPECT_EQ(json["names"][0]["predicted_fastest"], "tutel dp4 tp1 | edp1 ep4 esp1 2/1..4");
  EXPECT_EQ(json["names"][0]["measured_fastest"], "fsmoe dp4 tp1 | edp1 ep4 esp1 2/1..4");
}

TEST(ExperimentJson, WhatOnePlanCannotSayIsNull) {
  const nlohmann::json json = summary({example_rows()[0]});
  EXPECT_TRUE(json["kendall_tau"].is_null());
  EXPECT_TRUE(json["regret"].is_null());
  EXPECT_TRUE(json["speedup"].empty());
}

TEST(ExperimentJson, NamesWhatWasSkipped) {
  const nlohmann::json json = summary({example_rows()[0]}, {{"a", "lina", "dp3", "chosen", "does not divide"}});
  EXPECT_EQ(json["skipped"][0]["schedule"], "lina");
  EXPECT_EQ(json["skipped"][0]["reason"], "does not divide");
}

TEST(ExperimentText, SaysTheSameInATable) {
  const std::vector<ExperimentRow> rows = example_rows();
  const std::string text = experiment_text({.rows = rows, .reference = "tutel"});
  EXPECT_THAT(text, StartsWith("prediction "));
  EXPECT_THAT(text, HasSubstr("with contention               25.0 %    46.2 %   -12.5 %   0.000    50.0 %\n"));
  EXPECT_THAT(text, HasSubstr("fsmoe                        2.121x     1.549x       2.000x       2\n"));
}

}  // namespace
}  // namespace sextant
