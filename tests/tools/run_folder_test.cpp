#include "tools/run_folder.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

std::string error_of(const fs::path& path, ExistingRun existing) {
  try {
    const RunFolder folder(path, existing);
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(FolderName, IsTheLastPartWhateverTheSlashes) {
  EXPECT_EQ(folder_name("a/run"), "run");
  EXPECT_EQ(folder_name("a/run/"), "run");
  EXPECT_EQ(folder_name("a/run/../other/."), "other");
}

TEST(RunFolderFiles, TheFolderIsCreatedWithItsParents) {
  const TemporaryFolder temporary;
  const RunFolder folder(temporary / "a/b/run", ExistingRun::kRefuse);
  EXPECT_TRUE(fs::is_directory(temporary / "a/b/run"));
}

TEST(RunFolderFiles, TheLogHasItsFinalNameOnlyWhenFinished) {
  const TemporaryFolder temporary;
  RunFolder folder(temporary / "run", ExistingRun::kRefuse);
  folder.append_to_log("{\"step\":1}");
  folder.append_to_log("{\"step\":2}");
  EXPECT_FALSE(fs::exists(temporary / "run/log.jsonl"));
  EXPECT_EQ(temporary.read("run/log.jsonl.partial"), "{\"step\":1}\n{\"step\":2}\n");
  folder.finish_log();
  EXPECT_FALSE(fs::exists(temporary / "run/log.jsonl.partial"));
  EXPECT_EQ(temporary.read("run/log.jsonl"), "{\"step\":1}\n{\"step\":2}\n");
}

TEST(RunFolderFiles, AFinishedRunIsLeftAlone) {
  const TemporaryFolder temporary;
  temporary.write("summary.json", "{}");
  EXPECT_THAT(error_of(temporary.path(), ExistingRun::kRefuse), HasSubstr("holds a finished run"));
  EXPECT_EQ(temporary.read("summary.json"), "{}");
  EXPECT_FALSE(fs::exists(temporary / "log.jsonl.partial"));
}

TEST(RunFolderFiles, ReplacingRemovesEveryResultOfTheFinishedRun) {
  const TemporaryFolder temporary;
  temporary.write("summary.json", "{}");
  temporary.write("log.jsonl", "old");
  temporary.write("notes.txt", "mine");
  EXPECT_EQ(error_of(temporary.path(), ExistingRun::kReplace), "no error");
  EXPECT_FALSE(holds_finished_run(temporary.path()));
  EXPECT_FALSE(fs::exists(temporary / "log.jsonl"));
  EXPECT_EQ(temporary.read("notes.txt"), "mine");
}

TEST(RunFolderFiles, AnUnfinishedRunIsStartedAgain) {
  const TemporaryFolder temporary;
  temporary.write("log.jsonl.partial", "{\"step\":1}\n");
  RunFolder folder(temporary.path(), ExistingRun::kRefuse);
  EXPECT_EQ(temporary.read("log.jsonl.partial"), "");
}

TEST(RunFolderFiles, AContinuedRunKeepsItsLogUpToTheCheckpoint) {
  const TemporaryFolder temporary;
  temporary.write("log.jsonl", "{\"step\":1}\n{\"step\":2}\n{\"step\":3}\n{\"st");
  temporary.write("summary.json", "{}");
  RunFolder folder(temporary.path(), ExistingRun::kContinue, 2);
  folder.append_to_log("{\"step\":3,\"again\":true}");
  folder.finish_log();
  EXPECT_EQ(temporary.read("log.jsonl"), "{\"step\":1}\n{\"step\":2}\n{\"step\":3,\"again\":true}\n");
  EXPECT_FALSE(holds_finished_run(temporary.path()));
}

TEST(RunFolderFiles, AFileInTheWayIsNamedWithTheReason) {
  const TemporaryFolder temporary;
  const fs::path file = temporary.write("run", "a file");
  EXPECT_THAT(error_of(file, ExistingRun::kRefuse), StartsWith(file.string() + ": cannot create the run folder"));
  EXPECT_THAT(error_of(file / "below", ExistingRun::kRefuse), HasSubstr("Not a directory"));
}

}  // namespace
}  // namespace sextant
