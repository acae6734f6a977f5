#include "tools/report/report_input.h"

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "tests/tools/report/example_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

class ReportInput : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              (std::string("sextant_report_input_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  static void expect_refused(const fs::path& input, const std::string& expected) {
    try {
      static_cast<void>(load_report_inputs({input}));
      FAIL() << "accepted " << input;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
    }
  }

  fs::path folder_;
};

TEST_F(ReportInput, AFileIsAPlanAndAFolderIsARun) {
  write_example_plan(folder_ / "mine.yaml");
  write_example_run(folder_ / "run");
  const std::vector<ReportItem> items = load_report_inputs({folder_ / "mine.yaml", folder_ / "run/"}).items;
  ASSERT_EQ(items.size(), 2U);
  EXPECT_EQ(items[0].name, "mine");
  EXPECT_FALSE(items[0].run.has_value());
  EXPECT_EQ(items[1].name, "run");
  ASSERT_TRUE(items[1].run.has_value());
  EXPECT_EQ(items[1].run->log.size(), 40U);
  EXPECT_EQ(items[1].run->summary["ranks"], 2);
  ASSERT_TRUE(items[1].cluster.has_value());
  EXPECT_EQ(*items[1].cluster, example_cluster());
}

TEST_F(ReportInput, AFolderMayBeAnExperiment) {
  write_example_experiment(folder_ / "grid");
  const ReportInputs inputs = load_report_inputs({folder_ / "grid/"});
  EXPECT_TRUE(inputs.items.empty());
  ASSERT_EQ(inputs.experiments.size(), 1U);
  EXPECT_EQ(inputs.experiments[0].name, "grid");
  EXPECT_EQ(inputs.experiments[0].summary["plans"], 4);
}

TEST_F(ReportInput, ADamagedExperimentIsRefused) {
  fs::create_directories(folder_ / "grid");
  std::ofstream(folder_ / "grid/summary.json") << "{\"schema\": \"sextant/experiment_summary@1\"}";
  expect_refused(folder_ / "grid", "summary.json: key \"date\" is missing");
}

TEST_F(ReportInput, AnExperimentWithAPartMissingIsRefusedByThePart) {
  write_example_experiment(folder_ / "grid");
  const auto without = [&](const std::string& key, const std::string& part) {
    nlohmann::json summary = nlohmann::json::parse(std::ifstream(folder_ / "grid/summary.json"));
    (key == "speedups" ? summary[key].at(0) : summary[key]).erase(part);
    std::ofstream(folder_ / "grid/summary.json") << summary.dump();
    expect_refused(folder_ / "grid", "summary.json: " + key + ": key \"" + part + "\" is missing");
    write_example_experiment(folder_ / "grid");
  };
  without("speedups", "cases");
  without("choice", "names");
  without("final", "worst_regret");
}

TEST_F(ReportInput, ItemsOfOneNameGoByTheirPaths) {
  for (const char* name : {"a", "b"}) {
    fs::create_directories(folder_ / name);
    write_example_plan(folder_ / name / "plan.yaml");
  }
  const std::vector<ReportItem> items = load_report_inputs({folder_ / "a/plan.yaml", folder_ / "b/plan.yaml"}).items;
  EXPECT_EQ(items[0].name, (folder_ / "a/plan.yaml").string());
  EXPECT_EQ(items[1].name, (folder_ / "b/plan.yaml").string());
}

TEST_F(ReportInput, AFolderWithoutFinishedRunIsRefused) {
  expect_refused(folder_, "holds no finished run");
}

TEST_F(ReportInput, AMissingFileIsRefused) {
  expect_refused(folder_ / "none.yaml", "none.yaml");
}

TEST_F(ReportInput, ADamagedLogIsRefusedWithItsLine) {
  write_example_run(folder_ / "run", 2);
  std::ofstream(folder_ / "run/log.jsonl", std::ios::app) << "{\"step\": 3, \"lo";
  expect_refused(folder_ / "run", "log.jsonl:3:");
}

TEST_F(ReportInput, ALogLineWithoutLossIsRefused) {
  write_example_run(folder_ / "run", 2);
  std::ofstream(folder_ / "run/log.jsonl", std::ios::app) << "{\"step\": 3}\n";
  expect_refused(folder_ / "run", "log.jsonl:3: key \"loss\" is missing");
}

TEST_F(ReportInput, ASummaryOfAnotherSchemaIsRefused) {
  write_example_run(folder_ / "run", 2);
  nlohmann::json summary = load_report_inputs({folder_ / "run"}).items.front().run->summary;
  summary["schema"] = "sextant/run@9";
  std::ofstream(folder_ / "run/summary.json") << summary.dump();
  expect_refused(folder_ / "run", "sextant/run@9");
  summary.erase("timeline");
  std::ofstream(folder_ / "run/summary.json") << summary.dump();
  expect_refused(folder_ / "run", "\"timeline\" is missing");
}

}  // namespace
}  // namespace sextant
