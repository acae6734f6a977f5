#include "executor/checkpoint.h"

#include <filesystem>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/trainer.h"
#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/executor/small_job.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TrainOptions options_until(std::int64_t steps) {
  TrainOptions options;
  options.steps = steps;
  options.seed = 5;
  options.optimizer.warmup_steps = 2;
  options.optimizer.total_steps = 8;
  return options;
}

std::vector<double> losses_of(const Plan& plan, const TrainOptions& options) {
  const Corpus corpus = small_corpus();
  const StepPrediction prediction;
  std::vector<double> losses;
  run_local(plan.step.layout.world_size(), [&](World& world) {
    const TrainSummary summary = train(world, {.plan = plan, .prediction = prediction, .corpus = corpus}, options);
    if (world.rank() != 0) return;
    for (const StepRecord& record : summary.records) losses.push_back(record.result.loss);
  });
  return losses;
}

void save_after(std::int64_t steps, const Plan& plan, const fs::path& path) {
  TrainOptions options = options_until(steps);
  options.checkpoint = path;
  static_cast<void>(losses_of(plan, options));
}

std::vector<double> losses_resumed(const Plan& plan, const fs::path& path, std::int64_t until = 8) {
  TrainOptions options = options_until(until);
  options.resume_from = path;
  return losses_of(plan, options);
}

std::string error_of_resuming(const Plan& plan, const fs::path& path, std::int64_t until = 8) {
  try {
    static_cast<void>(losses_resumed(plan, path, until));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(Checkpoint, TheSameLayoutGoesOnAsIfNeverStopped) {
  const TemporaryFolder temporary;
  const Plan plan = small_plan({.dp = 2, .ep = 2});
  const std::vector<double> whole = losses_of(plan, options_until(8));
  save_after(4, plan, temporary / "c.safetensors");
  EXPECT_EQ(losses_resumed(plan, temporary / "c.safetensors"), std::vector<double>(whole.begin() + 4, whole.end()));
}

TEST(Checkpoint, AnotherLayoutContinuesTheSameCurve) {
  const TemporaryFolder temporary;
  const fs::path path = temporary / "c.safetensors";
  const std::vector<double> whole = losses_of(small_plan({}), options_until(8));
  save_after(4, small_plan({.dp = 2, .tp = 2, .ep = 2, .esp = 2}), path);
  for (const ParallelDegrees& degrees :
       {ParallelDegrees{}, ParallelDegrees{.dp = 2, .ep = 2}, ParallelDegrees{.tp = 2, .esp = 2},
        ParallelDegrees{.dp = 2, .tp = 2, .ep = 4}}) {
    const std::vector<double> resumed = losses_resumed(small_plan(degrees), path);
    ASSERT_EQ(resumed.size(), 4u);
    for (std::size_t i = 0; i < 4; ++i) {
      EXPECT_NEAR(resumed[i], whole[4 + i], 1e-5 * whole[4 + i]) << to_text(degrees) << " step " << 5 + i;
    }
  }
}

TEST(Checkpoint, ItsMetadataSayHowFarTheRunWas) {
  const TemporaryFolder temporary;
  const Plan plan = small_plan({});
  save_after(3, plan, temporary / "c.safetensors");
  const CheckpointInfo info = read_checkpoint_info(temporary / "c.safetensors");
  EXPECT_EQ(info.step, 3);
  EXPECT_EQ(info.seed, 5u);
  EXPECT_EQ(info.network_hash, content_hash(network_to_yaml(plan.step.network)));
}

TEST(Checkpoint, IsSavedAtTheIntervalToo) {
  const TemporaryFolder temporary;
  TrainOptions options = options_until(8);
  options.checkpoint = temporary / "c.safetensors";
  options.checkpoint_every = 3;
  std::vector<std::int64_t> saved;  // as seen after the steps
  options.on_step = [&](const StepRecord&) {
    if (fs::exists(options.checkpoint)) saved.push_back(read_checkpoint_info(options.checkpoint).step);
  };
  static_cast<void>(losses_of(small_plan({}), options));
  EXPECT_EQ(saved, (std::vector<std::int64_t>{3, 3, 3, 6, 6}));  // after steps 4, 5, 6, 7, 8
  EXPECT_EQ(read_checkpoint_info(options.checkpoint).step, 8);
}

TEST(Checkpoint, AnotherNetworkIsRefused) {
  const TemporaryFolder temporary;
  save_after(2, small_plan({}), temporary / "c.safetensors");
  Plan other = small_plan({.dp = 2, .ep = 2});
  other.step.network.name = "other";
  EXPECT_THAT(error_of_resuming(other, temporary / "c.safetensors"),
              HasSubstr("belongs to another network than other"));
}

TEST(Checkpoint, AFinishedRunHasNothingLeftToDo) {
  const TemporaryFolder temporary;
  save_after(4, small_plan({}), temporary / "c.safetensors");
  EXPECT_THAT(error_of_resuming(small_plan({}), temporary / "c.safetensors", 4), HasSubstr("nothing is left to do"));
}

TEST(Checkpoint, AFileThatIsNoneIsRefused) {
  const TemporaryFolder temporary;
  const fs::path text = temporary.write("c.safetensors", "a long enough text that is no checkpoint");
  EXPECT_THAT(error_of_resuming(small_plan({}), text), HasSubstr("not a safetensors file"));
  EXPECT_THAT(error_of_resuming(small_plan({.dp = 2, .ep = 2}), temporary / "none"), HasSubstr("cannot be read"));
}

TEST(Checkpoint, AFolderThatCannotBeWrittenEndsAllRanks) {
  const TemporaryFolder temporary;
  const Plan plan = small_plan({.dp = 2, .ep = 2});
  EXPECT_THROW(save_after(1, plan, temporary / "missing/c.safetensors"), ConfigError);
}

}  // namespace
}  // namespace sextant
