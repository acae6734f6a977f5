#include "tools/run_summary.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "tests/tools/example_run.h"

namespace sextant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class RunSummary : public ::testing::Test {
 protected:
  RunSummary() : prediction_(predict_step(plan_, &costs_)), summary_(example_summary(plan_, prediction_)) {}

  [[nodiscard]] RunResults results() const {
    return {.plan = plan_,
            .prediction = prediction_,
            .summary = summary_,
            .backend = "local",
            .date = "2025-01-31T12:00:00Z",
            .data = "texts/",
            .unigram_entropy_nats = 3.25};
  }

  Plan plan_ = example_plan();
  FakeCostModel costs_ = example_costs();
  StepPrediction prediction_;
  TrainSummary summary_;
};

TEST_F(RunSummary, AStepIsOneLineOfJson) {
  const std::string line = step_json(summary_.records.front());
  EXPECT_EQ(line.find('\n'), std::string::npos);
  const json parsed = json::parse(line);
  EXPECT_EQ(parsed.at("step"), 10);
  EXPECT_EQ(parsed.at("loss"), 2.5);
  EXPECT_EQ(parsed.at("tokens_per_s"), 1000.0);
  EXPECT_EQ(parsed.at("step_time_s"), summary_.records.front().step_time.value());
}

TEST_F(RunSummary, PredictionErrorIsPredictedOverMeasuredLessOne) {
  // measured = 2 predicted: 1/2 - 1 = -0.5
  const json parsed = json::parse(summary_json(results()));
  EXPECT_DOUBLE_EQ(parsed.at("prediction_error"), -0.5);
  EXPECT_EQ(parsed.at("predicted_step_time_s"), prediction_.step_time.value());
  EXPECT_EQ(parsed.at("step_time_s").at("mean"), 2.0 * prediction_.step_time.value());
}

TEST_F(RunSummary, FactsOfTheRunAreKept) {
  const json parsed = json::parse(summary_json(results()));
  EXPECT_EQ(parsed.at("schema"), "sextant/run@1");
  EXPECT_EQ(parsed.at("ranks"), 2);
  EXPECT_EQ(parsed.at("backend"), "local");
  EXPECT_EQ(parsed.at("date"), "2025-01-31T12:00:00Z");
  EXPECT_EQ(parsed.at("unigram_entropy_nats"), 3.25);
  EXPECT_EQ(parsed.at("first_loss"), 5.5);
  EXPECT_EQ(parsed.at("last_loss"), 2.5);
  EXPECT_EQ(parsed.at("steps"), 10);
}

TEST_F(RunSummary, EveryTaskHasItsPredictionAndEveryRanksMeasurement) {
  const json tasks = json::parse(summary_json(results())).at("timeline").at("tasks");
  ASSERT_EQ(tasks.size(), summary_.graph.tasks.size());
  for (std::size_t id = 0; id < tasks.size(); ++id) {
    const TaskSpan& predicted = prediction_.timeline->spans[id];
    EXPECT_EQ(tasks[id].at("name"), task_name(summary_.graph.tasks[id]));
    EXPECT_EQ(tasks[id].at("predicted"), json({predicted.start.value(), predicted.end.value()}));
    ASSERT_EQ(tasks[id].at("measured").size(), 2u);
    EXPECT_EQ(tasks[id].at("measured").at("1"), json({2.0 * predicted.start.value(), 2.0 * predicted.end.value()}));
  }
}

TEST_F(RunSummary, BusySharesNameTheLinkEvenWhereItsTasksShareAQueue) {
  const json busy = json::parse(summary_json(results())).at("busy_fraction");
  EXPECT_TRUE(busy.at("measured").contains("compute"));
  EXPECT_TRUE(busy.at("measured").contains("intra"));
  EXPECT_FALSE(busy.at("measured").contains("inter"));
  EXPECT_DOUBLE_EQ(busy.at("measured").at("compute"), busy.at("predicted").at("compute"));
}

TEST_F(RunSummary, WithoutAClusterThePlansOwnPredictionIsUsed) {
  const StepPrediction of_plan = predict_step(plan_, nullptr);
  RunResults without{
      .plan = plan_, .prediction = of_plan, .summary = summary_, .backend = "local", .date = "", .data = ""};
  const json parsed = json::parse(summary_json(without));
  EXPECT_EQ(parsed.at("predicted_step_time_s"), 0.5);
  EXPECT_EQ(parsed.at("predicted_step_time_interval_s"), json({0.4, 0.75}));
  EXPECT_EQ(parsed.at("exposed_communication_s").at("predicted"), 0.125);
  EXPECT_FALSE(parsed.at("busy_fraction").contains("predicted"));
  EXPECT_FALSE(parsed.at("timeline").at("tasks").at(0).contains("predicted"));
}

TEST_F(RunSummary, TheTraceHasAProcessARankAndItsPrediction) {
  const json events = json::parse(trace_json(results())).at("traceEvents");
  std::map<int, std::string> names;
  for (const json& event : events) {
    if (event.at("name") == "process_name") names[event.at("pid")] = event.at("args").at("name");
  }
  const std::map<int, std::string> expected{
      {0, "rank 0"}, {1, "rank 1"}, {2, "rank 0 predicted"}, {3, "rank 1 predicted"}};
  EXPECT_EQ(names, expected);
}

TEST_F(RunSummary, TheTextShowsMeasuredBesidePredicted) {
  const std::string text = summary_text(results());
  EXPECT_THAT(text, HasSubstr("error -50.0 %"));
  EXPECT_THAT(text, HasSubstr("loss 5.5000 -> 2.5000 nats (unigram entropy of the text 3.2500)"));
  EXPECT_THAT(text, HasSubstr("busy intra"));
  EXPECT_THAT(text, HasSubstr("exposed communication"));
}

TEST_F(RunSummary, ProgressNamesStepLossRateAndBothTimes) {
  StepRecord record = summary_.records.front();
  record.step_time = Seconds(0.05);
  EXPECT_EQ(progress_text(record, 200, Seconds(0.04)), "step 10/200  loss 2.5000  1000 tokens/s  step time " +
                                                           to_text(Seconds(0.05)) + " (predicted " +
                                                           to_text(Seconds(0.04)) + ")");
}

}  // namespace
}  // namespace sextant
