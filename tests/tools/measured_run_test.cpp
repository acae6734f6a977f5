#include "tools/measured_run.h"

#include <functional>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/example_run.h"

namespace sextant {
namespace {

using Json = nlohmann::json;

// The run of example_run.h in a folder, its summary changed by `change`.
class MeasuredRunFolder : public testing::Test {
 protected:
  std::filesystem::path write_run(const std::function<void(Json&)>& change = nullptr) {
    const Plan plan = example_plan();
    const FakeCostModel costs = example_costs();
    const StepPrediction prediction = predict_step(plan, &costs);
    const TrainSummary summary = example_summary(plan, prediction);
    Json json = Json::parse(summary_json({.plan = plan,
                                          .prediction = prediction,
                                          .summary = summary,
                                          .backend = "local",
                                          .date = "2026-01-02T03:04:05Z",
                                          .data = "text",
                                          .unigram_entropy_nats = 1.0}));
    if (change) change(json);
    folder_.write("run/plan.yaml", plan_to_yaml(plan));
    folder_.write("run/summary.json", json.dump());
    return folder_ / "run";
  }

  // The message, without what names the file.
  std::string refusal(const std::function<void(Json&)>& change) {
    const std::filesystem::path path = write_run(change);
    const std::string text = error_text<ConfigError>([&] { static_cast<void>(load_measured_run(path)); });
    const std::string prefix = (path / "summary.json").string() + ": ";
    EXPECT_EQ(text.rfind(prefix, 0), 0U) << text;
    return text.substr(std::min(prefix.size(), text.size()));
  }

  TemporaryFolder folder_;
};

Json& first_task(Json& json) {
  return json["timeline"]["tasks"][0];
}

TEST_F(MeasuredRunFolder, ReadsBackWhatTrainingWrote) {
  // Measured are twice the predicted spans; the step took twice the prediction.
  const MeasuredRun run = load_measured_run(write_run());
  const FakeCostModel costs = example_costs();
  const StepPrediction prediction = predict_step(run.plan, &costs);
  EXPECT_EQ(run.backend, "local");
  EXPECT_EQ(run.step.run, "run");
  EXPECT_EQ(run.step.date, "2026-01-02T03:04:05Z");
  EXPECT_DOUBLE_EQ(run.step.mean_step_time.value(), 2.0 * prediction.step_time.value());
  ASSERT_EQ(run.step.ranks.size(), 2U);
  ASSERT_EQ(run.step.ranks[1].spans.size(), prediction.timeline->spans.size());
  EXPECT_DOUBLE_EQ(run.step.ranks[1].makespan().value(), 2.0 * prediction.step_time.value());
}

TEST_F(MeasuredRunFolder, AFolderWithoutASummaryIsNoFinishedRun) {
  const std::string text = error_text<ConfigError>([&] { static_cast<void>(load_measured_run(folder_ / "nothing")); });
  EXPECT_NE(text.find("holds no finished run (summary.json is missing)"), std::string::npos) << text;
}

TEST_F(MeasuredRunFolder, ASummaryOfAnotherPlanIsRefused) {
  EXPECT_NE(refusal([](Json& json) {
              first_task(json)["name"] = "other";
            }).find("timeline, task 0: found \"other\", the plan has"),
            std::string::npos);
  EXPECT_NE(refusal([](Json& json) { json["timeline"]["tasks"].erase(0); }).find("tasks, the plan has"),
            std::string::npos);
  EXPECT_EQ(refusal([](Json& json) { first_task(json)["measured"].erase("1"); }),
            "timeline, task 0: \"measured\" has 1 ranks, the plan has 2");
}

TEST_F(MeasuredRunFolder, SpansThatNoRunHasAreRefused) {
  const auto with_span = [](const Json& span) {
    return [span](Json& json) { first_task(json)["measured"]["0"] = span; };
  };
  EXPECT_EQ(refusal(with_span({2.0, 1.0})), "timeline, task 0, rank 0: [2.0,1.0] ends before it starts");
  EXPECT_EQ(refusal(with_span({-1.0, 1.0})), "timeline, task 0, rank 0: found -1.0, expected seconds from 0 to 1e+09");
  EXPECT_EQ(refusal(with_span({0.0, 1e300})),
            "timeline, task 0, rank 0: found 1e+300, expected seconds from 0 to 1e+09");
  EXPECT_EQ(refusal(with_span({0.0, nullptr})),
            "timeline, task 0, rank 0: found null, expected seconds from 0 to 1e+09");
  EXPECT_EQ(refusal(with_span("x")), "timeline, task 0, rank 0: found \"x\", expected [start, end]");
}

TEST_F(MeasuredRunFolder, OtherKindsOfValuesAreRefused) {
  EXPECT_EQ(refusal([](Json& json) { json["schema"] = "sextant/run@9"; }),
            "schema is \"sextant/run@9\", expected \"sextant/run@1\"");
  EXPECT_EQ(refusal([](Json& json) { json["date"] = 3; }), "\"date\" is 3, expected a text");
  EXPECT_EQ(refusal([](Json& json) { json["timeline"] = 1; }), "timeline: found number, expected an object");
  EXPECT_EQ(refusal([](Json& json) { first_task(json) = Json::array(); }),
            "timeline, task 0: found array, expected an object");
  EXPECT_EQ(refusal([](Json& json) { json["step_time_s"]["mean"] = 0; }), "step_time_s: mean is 0, expected more");
}

}  // namespace
}  // namespace sextant
