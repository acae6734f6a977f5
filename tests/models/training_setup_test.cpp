#include "models/training_setup.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(TrainingSetup, CountsRanksAndSamples) {
  const TrainingSetup setup{.degrees = {.pp = 8, .dp = 4, .cp = 2, .tp = 2, .edp = 2, .ep = 8},
                            .micro_batch = 2,
                            .num_micro_batches = 16,
                            .sequence = 64};
  EXPECT_EQ(setup.group_tokens(), 2 * 64 / 2);
  EXPECT_EQ(setup.rank_tokens(), 2 * 64 / 2 / 2);
  EXPECT_EQ(setup.world_size(), 8 * 4 * 2 * 2);
  EXPECT_EQ(setup.global_batch(), 2 * 16 * 4);
}

TEST(HeldParameters, AreThoseOfTheMeanStageWithTheTokenTable) {
  Network network;
  network.vocabulary = 10;
  network.layers = 5;
  network.model_dim = 8;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 4;
  network.expert_kind = ExpertKind::kGelu;
  network.expert_hidden_dim = 16;
  network.num_experts = 4;
  network.top_k = 1;
  // Attention 4 x 8 x 8 = 256 a layer, an expert 2 x 8 x 16 = 256; a table is 80.
  const HeldParameters whole = held_parameters(network, {});
  EXPECT_DOUBLE_EQ(whole.dense, 5 * 256 + 2 * 80);
  EXPECT_DOUBLE_EQ(whole.experts, 5 * 4 * 256);
  // Two stages: two and a half layers and the token table; half of it over tp; experts over ep and esp.
  const TrainingSetup setup{.degrees = {.pp = 2, .dp = 2, .tp = 2, .edp = 1, .ep = 2, .esp = 2}};
  EXPECT_DOUBLE_EQ(held_parameters(network, setup).dense, (2.5 * 256 + 80) / 2.0);
  EXPECT_DOUBLE_EQ(held_parameters(network, setup).experts, 2.5 * 4 * 256 / 4.0);
}

TEST(StageLayers, AreEvenUnlessSaid) {
  EXPECT_EQ(even_stages(7, 3), (std::vector{3, 2, 2}));
  Network network;
  network.layers = 7;
  TrainingSetup setup{.degrees = {.pp = 3}};
  EXPECT_EQ(stage_layers(network, setup), (std::vector{3, 2, 2}));
  setup.stage_layers = {2, 3, 2};
  EXPECT_EQ(stage_layers(network, setup), setup.stage_layers);
}

TEST(StageCopies, OnlyDualPipeHoldsEveryStageTwice) {
  EXPECT_EQ(stage_copies({.pipeline = PipelineSchedule::k1F1B}), 1);
  EXPECT_EQ(stage_copies({.pipeline = PipelineSchedule::kZeroBubble}), 1);
  EXPECT_EQ(stage_copies({.pipeline = PipelineSchedule::kDualPipe}), 2);
}

TEST(PairsPasses, UnderDualPipeAndWhereAsked) {
  EXPECT_TRUE(pairs_passes({.pipeline = PipelineSchedule::kDualPipe}));
  EXPECT_TRUE(pairs_passes({.overlap = Overlap::kMicroBatches}));
  EXPECT_FALSE(pairs_passes({.overlap = Overlap::kChunks}));
  EXPECT_FALSE(pairs_passes({.dispatch = Dispatch::kDeduplicated}));
}

TEST(CanPairPasses, OneStageWithTwoMicroBatchesAndInterleavedPipelines) {
  TrainingSetup setup{.num_micro_batches = 2};
  EXPECT_TRUE(can_pair_passes(setup));
  setup.num_micro_batches = 1;
  EXPECT_FALSE(can_pair_passes(setup));
  setup = {.degrees = {.pp = 4}, .num_micro_batches = 8};
  EXPECT_FALSE(can_pair_passes(setup));
  setup.virtual_stages = 2;
  EXPECT_TRUE(can_pair_passes(setup));
  setup.pipeline = PipelineSchedule::kZeroBubble;
  EXPECT_FALSE(can_pair_passes(setup));
}

TEST(UnpairedShare, CountsWarmUpAndOneMore) {
  // One stage: the first of 8 forwards. 4 stages of 3 chunks each: 2 x 4 + 1 of 8 x 3; of 4 x 3 at most all.
  TrainingSetup setup{.num_micro_batches = 8, .overlap = Overlap::kMicroBatches};
  EXPECT_DOUBLE_EQ(unpaired_share(setup), 1.0 / 8.0);
  setup.degrees.pp = 4;
  setup.virtual_stages = 3;
  EXPECT_DOUBLE_EQ(unpaired_share(setup), 9.0 / 24.0);
  setup.num_micro_batches = 2;
  EXPECT_EQ(unpaired_share(setup), 1.0);
  setup.pipeline = PipelineSchedule::kDualPipe;
  EXPECT_EQ(unpaired_share(setup), 0.0);
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
  setup = {.degrees = {.pp = 4}, .pipeline = PipelineSchedule::kDualPipe, .stage_layers = {7, 8, 8, 5}};
  EXPECT_EQ(to_text(setup), "pp4 dp1 tp1 | edp1 ep1 esp1, 1 x 1, dualpipe, stages 7 8x2 5, ZeRO-1");
}

TEST(TrainingSetup, TextNamesWhatDispatchRunsBeside) {
  EXPECT_EQ(to_text(TrainingSetup{.overlap = Overlap::kMicroBatches}),
            "dp1 tp1 | edp1 ep1 esp1, 1 x 1, ZeRO-1, two micro-batches overlapped");
  const TrainingSetup setup{.overlap = Overlap::kChunks, .forward_degree = 2, .backward_degree = 4};
  EXPECT_EQ(to_text(setup), "dp1 tp1 | edp1 ep1 esp1, 1 x 1, ZeRO-1, chunks 2 forward 4 backward");
}

TEST(StageRecompute, IsSaidOnceWhereStagesAgree) {
  TrainingSetup setup{.degrees = {.pp = 3}};
  set_stage_recompute(setup, {Recompute::kFull, Recompute::kFull, Recompute::kFull});
  EXPECT_EQ(setup.recompute, Recompute::kFull);
  EXPECT_TRUE(setup.stage_recompute.empty());
  EXPECT_EQ(recompute_of(setup, 2), Recompute::kFull);
  EXPECT_EQ(recompute_text(setup), "full");
}

TEST(StageRecompute, NamesTheStagesWhereTheyDiffer) {
  TrainingSetup setup{.degrees = {.pp = 6}};
  constexpr Recompute n = Recompute::kNone, s = Recompute::kSelective, f = Recompute::kFull;
  set_stage_recompute(setup, {f, f, f, n, s, n});
  EXPECT_EQ(setup.recompute, n);
  EXPECT_EQ(recompute_of(setup, 2), f);
  EXPECT_EQ(recompute_of(setup, 3), n);
  EXPECT_EQ(recompute_text(setup), "full on stages 0-2 and selective on stage 4");
  EXPECT_EQ(
      to_text(setup),
      "pp6 dp1 tp1 | edp1 ep1 esp1, 1 x 1, ZeRO-1, full recompute on stages 0-2 and selective recompute on stage 4");
  set_stage_recompute(setup, {f, n, f, n, n, f});
  EXPECT_EQ(recompute_text(setup), "full on stages 0, 2, 5");
}

TEST(BusiestRank, GetsAtMostAllRows) {
  TrainingSetup setup{.degrees = {.ep = 4}, .expert_imbalance = 1.5};
  EXPECT_EQ(busiest_rank(setup), 1.5);
  setup.expert_imbalance = 9.0;
  EXPECT_EQ(busiest_rank(setup), 4.0);
  setup.degrees.ep = 1;  // every rank has all experts
  EXPECT_EQ(busiest_rank(setup), 1.0);
}

}  // namespace
}  // namespace sextant
