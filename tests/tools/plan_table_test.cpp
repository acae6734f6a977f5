#include "tools/plan_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/example_run.h"

namespace sextant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

PlanResult found() {
  PlanResult result;
  result.status = PlanStatus::kFound;
  result.plans = {example_plan(), example_plan()};
  result.plans[1].prediction.step_time = Seconds(0.6);
  result.summary = {.candidates = 12, .simulated = 10, .search_time = Seconds(0.25), .rejected = {}};
  return result;
}

PlanResult infeasible() {
  PlanResult result;
  result.summary.rejected = {{.degrees = {.dp = 2, .ep = 2}, .reason = "memory: 12 GiB of 9 GiB needed"}};
  return result;
}

TEST(PlanResultJson, HasWhatTheCommandLinePromises) {
  const json parsed = json::parse(plan_result_json(found()));
  EXPECT_EQ(parsed.at("status"), "found");
  EXPECT_EQ(parsed.at("layout"), json::parse(R"({"pp": 1, "dp": 2, "cp": 1, "tp": 1, "edp": 1, "ep": 2, "esp": 1})"));
  EXPECT_EQ(parsed.at("micro_batch"), 1);
  EXPECT_EQ(parsed.at("schedule"), "tutel_improved");
  EXPECT_EQ(parsed.at("r_fwd"), 2);
  EXPECT_EQ(parsed.at("r_bwd"), 1);
  EXPECT_EQ(parsed.at("step_time_s"), 0.5);
  EXPECT_EQ(parsed.at("step_time_interval_s"), json({0.4, 0.75}));
  EXPECT_EQ(parsed.at("lower_bound_s"), 0.4);
  EXPECT_DOUBLE_EQ(parsed.at("optimality_gap"), 0.25);  // 0.5 / 0.4 - 1
  EXPECT_EQ(parsed.at("peak_memory_bytes"), 1048576.0);
  EXPECT_TRUE(parsed.contains("tokens_per_s_per_device"));
  EXPECT_TRUE(parsed.contains("mfu"));
  EXPECT_EQ(parsed.at("search"), json({{"candidates", 12}, {"simulated", 10}, {"seconds", 0.25}}));
}

TEST(PlanResultJson, ListsTheNextPlans) {
  const json alternatives = json::parse(plan_result_json(found())).at("alternatives");
  ASSERT_EQ(alternatives.size(), 1u);
  EXPECT_EQ(alternatives.at(0).at("step_time_s"), 0.6);
}

TEST(PlanResultJson, DegreesThatDifferByLayerAreAList) {
  PlanResult result = found();
  result.plans[0].schedule.degrees = {{.forward = 2, .backward = 1}, {.forward = 4, .backward = 1}};
  const json parsed = json::parse(plan_result_json(result));
  EXPECT_EQ(parsed.at("r_fwd"), json({2, 4}));
  EXPECT_EQ(parsed.at("r_bwd"), 1);
  EXPECT_EQ(degrees_text(result.plans[0].schedule, Pass::kForward), "2..4");
  EXPECT_EQ(degrees_text(result.plans[0].schedule, Pass::kBackward), "1");
}

TEST(PlanResultJson, NothingFeasibleIsAnAnswerWithReasons) {
  const json parsed = json::parse(plan_result_json(infeasible()));
  EXPECT_EQ(parsed.at("status"), "infeasible");
  EXPECT_EQ(parsed.at("rejected").at(0).at("reason"), "memory: 12 GiB of 9 GiB needed");
  EXPECT_FALSE(parsed.contains("layout"));
}

TEST(InfeasibleText, IsOneLineWithAReason) {
  const std::string text = infeasible_text(infeasible());
  EXPECT_THAT(text, HasSubstr("no feasible plan"));
  EXPECT_THAT(text, HasSubstr("memory: 12 GiB of 9 GiB needed"));
  EXPECT_EQ(text.find('\n'), std::string::npos);
  EXPECT_THAT(infeasible_text(PlanResult{}), HasSubstr("no layout has the fixed degrees"));
}

TEST(PlanTable, HasALineAPlan) {
  const PlanResult result = found();
  const std::string table = plan_table(result.plans);
  EXPECT_EQ(std::count(table.begin(), table.end(), '\n'), 3);
  EXPECT_THAT(table, HasSubstr(to_text(result.plans[0].step.layout.degrees())));
  EXPECT_THAT(table, HasSubstr("25.0%"));
}

}  // namespace
}  // namespace sextant
