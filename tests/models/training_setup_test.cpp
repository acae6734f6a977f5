#include "models/training_setup.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(TrainingSetup, CountsRanksAndSamples) {
  const TrainingSetup setup{
      .degrees = {.pp = 8, .dp = 4, .cp = 2, .tp = 2, .edp = 2, .ep = 8}, .micro_batch = 2, .num_micro_batches = 16};
  EXPECT_EQ(setup.world_size(), 8 * 4 * 2 * 2);
  EXPECT_EQ(setup.global_batch(), 2 * 16 * 4);
}

TEST(TrainingSetup, TextNamesWhatDiffersFromTheUsual) {
  TrainingSetup setup{.degrees = {.pp = 2, .dp = 2, .edp = 1, .ep = 2}, .num_micro_batches = 4};
  EXPECT_EQ(to_text(setup), "pp2 dp2 tp1 | edp1 ep2 esp1, 1 x 4, ZeRO-1");
  setup.virtual_stages = 3;
  setup.zero_stage = 3;
  setup.recompute = Recompute::kFull;
  setup.precision = Precision::kFp8;
  setup.dispatch = Dispatch::kDeduplicated;
  EXPECT_EQ(to_text(setup),
            "pp2 dp2 tp1 | edp1 ep2 esp1, 1 x 4, v3, ZeRO-3, full recompute, fp8, deduplicated dispatch");
}

}  // namespace
}  // namespace sextant
