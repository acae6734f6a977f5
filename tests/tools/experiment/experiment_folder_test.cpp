#include "tools/experiment/experiment_folder.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/experiment/example_rows.h"
#include "tests/tools/experiment/small_experiment.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

void write_example(const TemporaryFolder& temporary) {
  const ExperimentPlans made = plan_experiment(small_experiment(), four_ranks(), four_ranks().topology, [](int) {});
  const std::vector<ExperimentRow> rows = example_rows();
  const ExperimentFolder folder(temporary / "out", false);
  folder.write_plans(temporary.write("e.yaml", "the file\n"), four_ranks(), made.plans);
  const std::vector<Seconds> steps{Seconds(0.5), Seconds(0.25)};
  folder.append_times({.plan = 1, .repeat = 0, .is_final = false, .steps = steps});
  folder.append_times({.plan = 0, .repeat = 2, .is_final = true, .steps = {steps.data(), 1}});
  folder.write_results({.rows = rows, .references = {"tutel"}});
}

TEST(ExperimentFolderFiles, HoldWhatWasRunAndWhatWasFound) {
  const TemporaryFolder temporary;
  write_example(temporary);
  EXPECT_EQ(temporary.read("out/experiment.yaml"), "the file\n");
  EXPECT_EQ(load_cluster(temporary / "out/cluster.yaml").name, "four ranks");
  EXPECT_EQ(load_plan(temporary / "out/plans/001.yaml").schedule.policy, Policy::kSequential);
  EXPECT_EQ(load_plan(temporary / "out/plans/002.yaml").schedule.policy, Policy::kFsmoe);
  EXPECT_EQ(temporary.read("out/times.csv"),
            "plan,round,repeat,step,step_s\n2,all,1,1,0.5\n2,all,1,2,0.25\n1,final,3,1,0.5\n");
  EXPECT_EQ(temporary.read("out/results.csv"), results_csv(example_rows()));
  EXPECT_EQ(temporary.read("out/details.csv"), details_csv(example_rows()));
  EXPECT_THAT(temporary.read("out/summary.json"), HasSubstr("\"median_abs_error\""));
}

TEST(ExperimentFolderFiles, AFinishedOneIsLeftAlone) {
  const TemporaryFolder temporary;
  write_example(temporary);
  EXPECT_THAT(error_text<ConfigError>([&] { const ExperimentFolder folder(temporary / "out", false); }),
              HasSubstr("--force"));
  EXPECT_TRUE(fs::exists(temporary / "out/results.csv"));
}

TEST(ExperimentFolderFiles, ReplacingRemovesTheResultsAndNothingElse) {
  const TemporaryFolder temporary;
  write_example(temporary);
  temporary.write("out/notes.txt", "mine");
  const ExperimentFolder folder(temporary / "out", true);
  for (const char* name :
       {"summary.json", "results.csv", "details.csv", "times.csv", "plans/001.yaml", "plans/002.yaml"}) {
    EXPECT_FALSE(fs::exists(temporary / "out" / name)) << name;
  }
  EXPECT_EQ(temporary.read("out/notes.txt"), "mine");
}

TEST(ExperimentFolderFiles, APathThatCannotBeAFolderIsTold) {
  const TemporaryFolder temporary;
  const fs::path file = temporary.write("file", "in the way");
  EXPECT_THAT(error_text<ConfigError>([&] { const ExperimentFolder folder(file / "out", false); }),
              HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace sextant
