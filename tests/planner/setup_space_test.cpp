#include "planner/setup_space.h"

#include <cstdint>
#include <utility>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/models/tiny_network.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;

// 8 experts of 32, 2 heads, 3 layers on one node of 4 devices: 4 samples of 8 tokens.
SetupRequest request() {
  SetupRequest request;
  request.network = tiny_moe_network(3, ExpertKind::kGelu);
  request.topology = {.nodes = 1, .devices_per_node = 4};
  request.global_batch = 4;
  request.sequence = 8;
  return request;
}

ParallelDegrees attention(int pp, int dp, int cp, int tp) {
  return {.pp = pp, .dp = dp, .cp = cp, .tp = tp};
}

TrainingSetup setup(int pp, int ep, int esp, std::int64_t micro_batches) {
  TrainingSetup setup;
  setup.degrees.pp = pp;
  setup.degrees.ep = ep;
  setup.degrees.esp = esp;
  setup.num_micro_batches = micro_batches;
  return setup;
}

std::vector<ParallelDegrees> expert_grids(const SetupRequest& r, const ParallelDegrees& grid) {
  return SetupSpace(r).expert_grids(grid);
}

TEST(AttentionGrids, AreAllThatDivide) {
  // pp 4 exceeds the layers, tp 4 the heads.
  const SetupRequest r = request();
  EXPECT_THAT(
      SetupSpace(r).attention_grids(),
      UnorderedElementsAre(attention(1, 4, 1, 1), attention(1, 2, 2, 1), attention(1, 1, 4, 1), attention(1, 2, 1, 2),
                           attention(1, 1, 2, 2), attention(2, 2, 1, 1), attention(2, 1, 2, 1), attention(2, 1, 1, 2)));
}

TEST(AttentionGrids, KeepWhatIsFixedAndWhatTheBatchAndTheSequenceDivideInto) {
  SetupRequest r = request();
  r.global_batch = 3;
  r.sequence = 7;  // neither dp nor cp nor tp, which cuts the sequence too
  EXPECT_THAT(SetupSpace(r).attention_grids(), IsEmpty());
  r = request();
  r.tp = 2;
  r.cp = 1;
  EXPECT_THAT(SetupSpace(r).attention_grids(), UnorderedElementsAre(attention(1, 2, 1, 2), attention(2, 1, 1, 2)));
}

TEST(ExpertGrids, CutAllRanksOfAStageAnew) {
  SetupRequest r = request();
  const auto grids = expert_grids(r, attention(1, 2, 1, 2));
  std::vector<std::pair<int, int>> found;
  for (const ParallelDegrees& grid : grids) {
    EXPECT_EQ(grid.edp * grid.ep * grid.esp, 4);
    EXPECT_EQ(grid.dp, 2);
    found.emplace_back(grid.ep, grid.esp);
  }
  EXPECT_THAT(found, ElementsAre(Pair(1, 1), Pair(1, 2), Pair(2, 1), Pair(2, 2), Pair(4, 1)));
  r.network.expert_hidden_dim = 33;  // not for esp 2
  EXPECT_THAT(expert_grids(r, attention(1, 2, 1, 2)), SizeIs(3));
  r.ep = 2;
  EXPECT_THAT(expert_grids(r, attention(1, 2, 1, 2)), SizeIs(1));
}

TEST(ExpertGrids, ADenseNetworkHasOne) {
  SetupRequest r = request();
  r.network = tiny_dense_network(3, ExpertKind::kGelu);
  const auto grids = expert_grids(r, attention(1, 2, 1, 2));
  ASSERT_THAT(grids, SizeIs(1));
  EXPECT_EQ(grids[0].ep, 1);
  EXPECT_EQ(grids[0].esp, 2);
  EXPECT_EQ(grids[0].edp, 2);
}

TEST(MicroBatches, ArePowersOfTwoThatDivideAReplicasShare) {
  SetupRequest r = request();
  r.global_batch = 24;
  EXPECT_THAT(SetupSpace(r).micro_batches(attention(1, 2, 1, 1)), ElementsAre(1, 2, 4));
  r.global_batch = 64;
  EXPECT_THAT(SetupSpace(r).micro_batches(attention(1, 1, 1, 1)), ElementsAre(1, 2, 4, 8, 16));
  r.micro_batch = 8;
  EXPECT_THAT(SetupSpace(r).micro_batches(attention(1, 1, 1, 1)), ElementsAre(8));
  r.micro_batch = 3;
  EXPECT_THAT(SetupSpace(r).micro_batches(attention(1, 1, 1, 1)), IsEmpty());
}

TEST(Exchanges, WithoutTrafficThereIsNothingToOverlap) {
  const SetupRequest r = request();
  EXPECT_THAT(SetupSpace(r).exchanges(setup(1, 1, 1, 4)), ElementsAre(Exchange{}));
  // 3 layers on 2 stages, of which the longer has 2 virtual ones; DualPipe runs two micro-batches at once always.
  EXPECT_THAT(
      SetupSpace(r).exchanges(setup(2, 1, 1, 4)),
      ElementsAre(Exchange{}, Exchange{.virtual_stages = 2}, Exchange{.pipeline = PipelineSchedule::kZeroBubble},
                  Exchange{.pipeline = PipelineSchedule::kDualPipe, .overlap = Overlap::kMicroBatches}));
  // Fewer micro-batches than DualPipe needs; 3 on 2 stages cannot be interleaved either.
  EXPECT_THAT(SetupSpace(r).exchanges(setup(2, 1, 1, 3)),
              ElementsAre(Exchange{}, Exchange{.pipeline = PipelineSchedule::kZeroBubble}));
}

TEST(Exchanges, TrafficIsSentByEveryAlgorithmBesideEverything) {
  const SetupRequest r = request();
  // Four algorithms; nothing, chunks, another micro-batch.
  EXPECT_THAT(SetupSpace(r).exchanges(setup(1, 2, 1, 4)), SizeIs(12));
  EXPECT_THAT(SetupSpace(r).exchanges(setup(1, 2, 1, 1)), SizeIs(8));  // there is no other micro-batch
  EXPECT_THAT(SetupSpace(r).exchanges(setup(1, 1, 2, 4)),
              ElementsAre(Exchange{}, Exchange{.overlap = Overlap::kChunks}));
}

TEST(Exchanges, KeepWhatIsFixed) {
  SetupRequest r = request();
  r.pipeline = PipelineSchedule::k1F1B;
  r.overlap = Overlap::kMicroBatches;
  EXPECT_THAT(SetupSpace(r).exchanges(setup(2, 2, 1, 4)), SizeIs(4));  // interleaved, by four algorithms
  r.recompute = Recompute::kFull;
  EXPECT_THAT(SetupSpace(r).exchanges(setup(2, 2, 1, 4)), IsEmpty());
  r = request();
  r.forward_degree = 2;  // asks for chunks
  for (const Exchange& exchange : SetupSpace(r).exchanges(setup(1, 2, 1, 4))) {
    EXPECT_EQ(exchange.overlap, Overlap::kChunks);
  }
}

TEST(ChunkDegrees, OneChunkIsForSharedExpertsOnly) {
  SetupRequest r = request();
  EXPECT_THAT(SetupSpace(r).chunk_degrees(), SizeIs(15));
  r.forward_degree = 3;
  EXPECT_THAT(SetupSpace(r).chunk_degrees(), ElementsAre(Pair(3, 1), Pair(3, 2), Pair(3, 4), Pair(3, 8)));
  r.forward_degree = 1;
  r.backward_degree = 1;
  EXPECT_THAT(SetupSpace(r).chunk_degrees(), IsEmpty());
  r.network.shared_experts = SharedExperts{};
  EXPECT_THAT(SetupSpace(r).chunk_degrees(), ElementsAre(Pair(1, 1)));
}

}  // namespace
}  // namespace sextant
