#include "models/setup_memory.h"

#include <string>

#include <gtest/gtest.h>

#include "tests/models/tiny_network.h"

namespace sextant {
namespace {

Network dense_network() {
  return tiny_dense_network(4, ExpertKind::kSwiglu);
}
Network moe_network() {
  return tiny_moe_network(4, ExpertKind::kSwiglu);
}

const MemoryAssumptions kBare{.reserve = Bytes(0.0), .fragmentation = 0.0};

TrainingSetup setup_of(const ParallelDegrees& degrees) {
  return {.degrees = degrees, .micro_batch = 2, .num_micro_batches = 8, .sequence = 16};
}

double bytes_of(const Network& network, const TrainingSetup& setup, const std::string& name) {
  for (const MemoryTerm& term : setup_memory(network, setup, kBare).terms) {
    if (term.name == name) return term.bytes.value();
  }
  ADD_FAILURE() << "no term " << name;
  return 0.0;
}

TEST(SetupMemory, OfOneDenseRankCountedByHand) {
  const TrainingSetup setup = setup_of({});
  // 4 layers of 4 x 8 x 8 + 3 x 8 x 32 = 1024 weights, two tables of 10 x 8.
  EXPECT_EQ(bytes_of(dense_network(), setup, "parameters"), 2.0 * (4 * 1024 + 160));
  EXPECT_EQ(bytes_of(dense_network(), setup, "optimizer state"), 12.0 * (4 * 1024 + 160));
  // 32 tokens of 2 bytes, 4 layers: norm 8, queries, keys, values and their sum 4 x 8.
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 4 * 2.0 * 32 * (8 + 32));
  // Norm in and out 2 x 8, hidden rows 3 x 32; the layer's input 8.
  EXPECT_EQ(bytes_of(dense_network(), setup, "feed-forward activations"), 4 * 2.0 * 32 * (16 + 96));
  EXPECT_EQ(bytes_of(dense_network(), setup, "layer inputs"), 4 * 2.0 * 32 * 8);
  EXPECT_EQ(bytes_of(dense_network(), setup, "logits"), 4.0 * 32 * 10);
  EXPECT_EQ(bytes_of(dense_network(), setup, "output matrix's gradient"), 2.0 * 10 * 8);
  // The matrices of one layer: 4 x 8 x 8 and 3 x 8 x 32.
  EXPECT_EQ(bytes_of(dense_network(), setup, "gradient placeholders"), 2.0 * (256 + 768));
  EXPECT_EQ(bytes_of(dense_network(), setup, "whole layers of ZeRO"), 0.0);
}

TEST(SetupMemory, OfExpertsCountedByHand) {
  // ep 4: 2 experts of 3 x 8 x 32 in each of 4 layers, beside 256 of attention and the tables.
  const TrainingSetup setup = setup_of({.dp = 4, .edp = 1, .ep = 4});
  EXPECT_EQ(bytes_of(moe_network(), setup, "parameters"), 2.0 * (4 * (256 + 2 * 768) + 160));
  // 32 tokens: norms 16 each; 64 choices of 3 x 32 hidden, 8 in.
  EXPECT_EQ(bytes_of(moe_network(), setup, "feed-forward activations"), 4 * 2.0 * (32 * 16 + 64 * (96 + 8)));
  // Placeholders of attention and of one expert: all experts have its shapes.
  EXPECT_EQ(bytes_of(moe_network(), setup, "gradient placeholders"), 2.0 * (256 + 768));
}

TEST(SetupMemory, AnExpertShardGathersTheRowsOfAllShards) {
  // esp 2: 3 x 32 / 2 hidden on twice 64 rows, which arrive whole.
  const TrainingSetup setup = setup_of({.dp = 2, .edp = 1, .esp = 2});
  EXPECT_EQ(bytes_of(moe_network(), setup, "feed-forward activations"), 4 * 2.0 * (32 * 16 + 2 * 64 * (48 + 8)));
}

TEST(SetupMemory, EightBitProductsKeepTheirInputsInEightBits) {
  TrainingSetup setup = setup_of({});
  setup.precision = Precision::kFp8;
  // Queries, keys, values and their sum in 2 bytes; the norm's output and the sum once more in 1.
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 4 * 32.0 * (2 * 32 + 8 + 8));
  // The norm's input and both hidden rows before the activation in 2 bytes; its output and the third row in 1.
  EXPECT_EQ(bytes_of(dense_network(), setup, "feed-forward activations"), 4 * 32.0 * (2 * 8 + 8 + 2 * 64 + 32));
}

TEST(SetupMemory, HeadAndLayerAreNotAtWorkAtOnce) {
  // Dispatch of 64 choices of 8, sent and received both ways: 2 x 2 x 64 x 8 x 2 bytes; the head needs 4 x 320 + 160.
  const TrainingSetup setup = setup_of({.dp = 4, .edp = 1, .ep = 4});
  EXPECT_EQ(bytes_of(moe_network(), setup, "dispatcher workspace"), 4096.0);
  EXPECT_EQ(bytes_of(moe_network(), setup, "logits"), 0.0);
  Network wide = moe_network();
  wide.vocabulary = 40;  // 4 x 32 x 40 = 5120
  EXPECT_EQ(bytes_of(wide, setup, "dispatcher workspace"), 0.0);
  EXPECT_EQ(bytes_of(wide, setup, "logits"), 5120.0);
}

TEST(SetupMemory, ZeroHoldsOneGradientAndTwoLayersWhole) {
  TrainingSetup setup = setup_of({.dp = 4, .edp = 4});
  setup.zero_stage = 2;
  EXPECT_EQ(bytes_of(dense_network(), setup, "whole layers of ZeRO"), 2.0 * 1024);
  EXPECT_EQ(bytes_of(dense_network(), setup, "gradient placeholders"), 0.0);
  setup.zero_stage = 3;
  EXPECT_EQ(bytes_of(dense_network(), setup, "whole layers of ZeRO"), 2.0 * (1024 + 2 * 1024));
  setup.keeps_gathered = true;  // all four layers and both tables
  EXPECT_EQ(bytes_of(dense_network(), setup, "whole layers of ZeRO"), 2.0 * (1024 + 4 * 1024 + 160));
}

TEST(SetupMemory, NoMoreThanTheLimitIsWholeUnderZero) {
  TrainingSetup setup = setup_of({.dp = 4, .edp = 4});
  setup.zero_stage = 3;
  MemoryAssumptions limited;
  limited.whole_parameters = 1000.0;  // of 2 x 1024
  const double before = setup_memory(dense_network(), setup, kBare).total().value();
  limited.reserve = Bytes(0.0);
  limited.fragmentation = 0.0;
  const double after = setup_memory(dense_network(), setup, limited).total().value();
  EXPECT_EQ(before - after, 2.0 * (3 * 1024 - 1500));
}

TEST(Allocated, LeavesOutReserveAndFragmentation) {
  const double bare = setup_memory(dense_network(), setup_of({}), kBare).total().value();
  const MemoryBreakdown whole =
      setup_memory(dense_network(), setup_of({}), {.reserve = Bytes(1e6), .fragmentation = 0.5});
  EXPECT_DOUBLE_EQ(allocated(whole).value(), bare);
  EXPECT_DOUBLE_EQ(held_by_allocator(whole).value(), bare + 0.5 * (bare + 1e6));
}

TEST(SetupMemory, TheBusiestRankHoldsMoreRows) {
  // ep 4, 1.5 times the mean: 96 choices instead of 64 through experts and dispatcher, the norms as before.
  TrainingSetup setup = setup_of({.dp = 4, .edp = 1, .ep = 4});
  setup.expert_imbalance = 1.5;
  EXPECT_EQ(bytes_of(moe_network(), setup, "feed-forward activations"), 4 * 2.0 * (32 * 16 + 96 * (96 + 8)));
  EXPECT_EQ(bytes_of(moe_network(), setup, "dispatcher workspace"), 2 * 2.0 * 96 * 8 * 2);
}

TEST(SetupMemory, EachZeroStageShardsOneMore) {
  TrainingSetup setup = setup_of({.dp = 4, .edp = 4});
  const char* const kNames[] = {"optimizer state", "gradients", "parameters"};
  setup.zero_stage = 0;
  double before[3];
  for (int i = 0; i < 3; ++i) before[i] = bytes_of(dense_network(), setup, kNames[i]);
  for (int stage = 1; stage <= 3; ++stage) {
    setup.zero_stage = stage;
    for (int i = 0; i < 3; ++i) {
      EXPECT_EQ(bytes_of(dense_network(), setup, kNames[i]), before[i] / (i < stage ? 4 : 1)) << kNames[i] << stage;
    }
  }
}

TEST(MicroBatchesInFlight, FollowFromTheSchedule) {
  TrainingSetup setup = setup_of({.pp = 4});
  setup.num_micro_batches = 20;
  EXPECT_EQ(micro_batches_in_flight(setup, 0), 4.0);
  EXPECT_EQ(micro_batches_in_flight(setup, 3), 1.0);
  setup.virtual_stages = 2;  // rank 0: 2 x 3 + 4 + 1 chunks of half a stage, rank 3: 4 + 1
  EXPECT_EQ(micro_batches_in_flight(setup, 0), 11.0 / 2);
  EXPECT_EQ(micro_batches_in_flight(setup, 3), 5.0 / 2);
  setup.virtual_stages = 1;
  setup.pipeline = PipelineSchedule::kZeroBubble;
  EXPECT_EQ(micro_batches_in_flight(setup, 3), 4.0);
  setup.pipeline = PipelineSchedule::kDualPipe;  // pp + 1 on two stages
  EXPECT_EQ(micro_batches_in_flight(setup, 0), 2.5);
  setup.pipeline = PipelineSchedule::k1F1B;
  setup.num_micro_batches = 2;
  EXPECT_EQ(micro_batches_in_flight(setup, 0), 2.0);
}

TEST(SetupMemory, PairsOfPassesKeepOneLayerMore) {
  // Four layers on one stage: five instead.
  TrainingSetup setup = setup_of({.dp = 8, .edp = 1, .ep = 8});
  setup.num_micro_batches = 2;
  const auto activations = [&] { return bytes_of(moe_network(), setup, "feed-forward activations"); };
  const double alone = activations();
  setup.overlap = Overlap::kMicroBatches;
  EXPECT_DOUBLE_EQ(activations(), alone * 5.0 / 4.0);
  setup.degrees.pp = 2;  // rank 0 of 2 with v 2: 2 + 1/2 micro-batches of two layers, 5 layers and one
  setup.virtual_stages = 2;
  setup.num_micro_batches = 8;
  EXPECT_DOUBLE_EQ(activations(), alone * 6.0 / 4.0);
}

TEST(SetupMemory, TheFirstStageHoldsAMicroBatchForEveryStage) {
  const double alone = bytes_of(dense_network(), setup_of({}), "attention activations");
  TrainingSetup setup = setup_of({.pp = 4});
  EXPECT_DOUBLE_EQ(bytes_of(dense_network(), setup, "attention activations"), alone);  // a quarter, four times
}

TEST(SetupMemory, DualPipeHoldsAStageAndItsMirrorImage) {
  // Two layers and both tables, gradients of them; the optimizer is shared with the mirror image. 5 / 2 micro-batches
  // of either layer.
  TrainingSetup setup = setup_of({.pp = 4});
  setup.pipeline = PipelineSchedule::kDualPipe;
  EXPECT_EQ(bytes_of(dense_network(), setup, "parameters"), 2.0 * (2 * 1024 + 160));
  EXPECT_EQ(bytes_of(dense_network(), setup, "gradients"), 4.0 * (2 * 1024 + 160));
  EXPECT_EQ(bytes_of(dense_network(), setup, "optimizer state"), 12.0 * (2 * 1024 + 160) / 2);
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 2.5 * 2 * 2.0 * 32 * (8 + 32));
  EXPECT_EQ(bytes_of(dense_network(), setup, "logits"), 4.0 * 32 * 10);
}

TEST(SetupMemory, TheLongestStageDecides) {
  // Three layers in a second stage that holds one micro-batch, against one of two.
  TrainingSetup setup = setup_of({.pp = 2});
  setup.zero_stage = 0;
  setup.stage_layers = {1, 3};
  EXPECT_EQ(bytes_of(dense_network(), setup, "parameters"), 2.0 * (3 * 1024 + 80));
  EXPECT_EQ(bytes_of(dense_network(), setup, "logits"), 4.0 * 32 * 10);
  setup.stage_layers = {3, 1};
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 2 * 3 * 2.0 * 32 * (8 + 32));
  EXPECT_EQ(bytes_of(dense_network(), setup, "logits"), 0.0);
}

TEST(StageMemory, GrowsWithEveryLayer) {
  const TrainingSetup setup = setup_of({.pp = 2});
  const Network network = moe_network();
  const StageMemory memory(network, setup);
  for (int stage = 0; stage < 2; ++stage) {
    for (int end = 1; end <= 4; ++end) {
      for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
        EXPECT_GT(memory.total({stage, 0, end}, recompute), memory.total({stage, 1, end}, recompute));
        EXPECT_GT(memory.total({stage, 0, end}, recompute), memory.total({stage, 0, end - 1}, recompute));
      }
    }
  }
}

TEST(StageMemory, NoSplitNeedsLessThanItsBound) {
  // Of one stage without logits it is what the stage needs but for the head's moment, which is the larger one here.
  TrainingSetup setup = setup_of({});
  const Network dense = dense_network();
  const StageMemory one(dense, setup, kBare);
  EXPECT_DOUBLE_EQ(one.largest_at_least(Recompute::kNone).value(),
                   (one.total({0, 0, 4}, Recompute::kNone) - Bytes(4.0 * 32 * 10 + 2.0 * 10 * 8)).value());
  Network mixed = moe_network();
  mixed.dense = {.layers = {0}, .hidden_dim = 16};
  for (const Network& network : {dense, moe_network(), mixed}) {
    for (const auto pipeline : {PipelineSchedule::k1F1B, PipelineSchedule::kZeroBubble, PipelineSchedule::kDualPipe}) {
      for (const int zero_stage : {0, 1, 2, 3}) {
        setup = setup_of({.pp = 2, .dp = 2, .edp = 2});
        setup.pipeline = pipeline;
        setup.zero_stage = zero_stage;
        const StageMemory memory(network, setup);
        for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
          for (const std::vector<int>& stages : {std::vector{1, 3}, std::vector{2, 2}, std::vector{3, 1}}) {
            EXPECT_LE(memory.largest_at_least(recompute), memory.largest_total(stages, recompute)) << to_text(setup);
          }
        }
      }
    }
  }
}

TEST(SetupMemory, FullRecomputationKeepsLayerInputsAndOneLayer) {
  TrainingSetup setup = setup_of({});
  const double attention = bytes_of(dense_network(), setup, "attention activations");
  const double feed_forward = bytes_of(dense_network(), setup, "feed-forward activations");
  setup.recompute = Recompute::kFull;
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 0.0);
  EXPECT_EQ(bytes_of(dense_network(), setup, "recomputed layer"), (attention + feed_forward) / 4);
}

TEST(SetupMemory, EachStageKeepsWhatItDoesNotComputeAgain) {
  // Two stages of two layers. The first holds two micro-batches, 2 x 2 layers of activations; the second one of them.
  TrainingSetup setup = setup_of({.pp = 2});
  const double layer = 2.0 * 32 * (8 + 32);
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 4 * layer);
  // Full on the first leaves the second stage the larger: 2 layers once.
  setup.stage_recompute = {Recompute::kFull, Recompute::kNone};
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 2 * layer);
  EXPECT_EQ(bytes_of(dense_network(), setup, "recomputed layer"), 0.0);
  // Full on the second alone changes nothing for the first.
  setup.stage_recompute = {Recompute::kNone, Recompute::kFull};
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), 4 * layer);
}

TEST(SetupMemory, SelectiveRecomputationKeepsNoProbabilities) {
  // Not fused: 5 bytes of 2 heads x 32 tokens x 16 in each of 4 layers.
  TrainingSetup setup = setup_of({});
  const double fused = bytes_of(dense_network(), setup, "attention activations");
  setup.fused_attention = false;
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), fused + 4 * 5.0 * 2 * 32 * 16);
  setup.recompute = Recompute::kSelective;
  EXPECT_EQ(bytes_of(dense_network(), setup, "attention activations"), fused);
}

TEST(SetupMemory, ReserveAndFragmentationAreNamed) {
  const MemoryBreakdown bare = setup_memory(dense_network(), setup_of({}), kBare);
  const MemoryBreakdown whole =
      setup_memory(dense_network(), setup_of({}), {.reserve = Bytes(1e6), .fragmentation = 0.5});
  EXPECT_DOUBLE_EQ(whole.total().value(), 1.5 * (bare.total().value() + 1e6));
}

}  // namespace
}  // namespace sextant
