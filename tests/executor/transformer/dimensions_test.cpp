#include "executor/transformer/dimensions.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

StepShape step_of(const ParallelDegrees& degrees, int num_ranks) {
  Network network;
  network.vocabulary = 11;
  network.layers = 3;
  network.model_dim = 8;
  network.heads = 4;
  network.kv_heads = 2;
  network.head_dim = 6;
  network.expert_hidden_dim = 12;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 1.0;
  return {.network = network,
          .layout = ParallelLayout(degrees, {1, num_ranks}),
          .micro_batch = 4,
          .num_micro_batches = 3,
          .sequence = 10};
}

TEST(DimensionsOf, FollowTheLayout) {
  // S = 4 * 10 / 2 = 20 tokens of a rank, T = 2 * 20 / 4 = 10 rows of one expert from each of ep * esp = 4 ranks.
  const Dimensions d = dimensions_of(step_of({.dp = 2, .tp = 2, .ep = 2, .esp = 2}, 4), {});
  EXPECT_EQ(d.tokens(), 20);
  EXPECT_EQ(d.attention.heads, 2);
  EXPECT_EQ(d.attention.kv_heads, 1);
  EXPECT_EQ(d.sequence_slice, 5);
  EXPECT_EQ(d.route.capacity, 10);
  EXPECT_EQ(d.local_experts, 2);
  EXPECT_EQ(d.expert.rows, 40);
  EXPECT_EQ(d.expert.hidden_dim, 6);
  EXPECT_EQ(d.row_elements(), 4 * 10 * 8);
  EXPECT_EQ(d.sequence_elements(), 4 * 10 * 8);
  EXPECT_DOUBLE_EQ(d.global_tokens, 80.0);  // of one micro-batch, two replicas
  EXPECT_TRUE(d.exchanges());
}

TEST(DimensionsOf, SourcesOfOneRankCountCapacityEachAndFillTheSameRows) {
  // 40 tokens of 4 sources, 10 each: T = 2 * 10 / 4 = 5, and an expert sees 5 * 4 rows.
  const Dimensions d = dimensions_of(step_of({}, 1), {.dp = 2, .tp = 2});
  EXPECT_EQ(d.route.sources, 4);
  EXPECT_EQ(d.route.capacity, 5);
  EXPECT_EQ(d.expert.rows, 20);
  EXPECT_FALSE(d.exchanges());
}

}  // namespace
}  // namespace sextant
