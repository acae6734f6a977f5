#include "executor/layers/causal_attention.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

std::int64_t qkv_dim(const AttentionShape& shape) {
  return (shape.heads + 2 * shape.kv_heads) * shape.head_dim;
}

std::vector<double> context_of(const AttentionShape& shape, const std::vector<double>& qkv) {
  std::vector<double> saved(causal_attention_saved_size(shape));
  std::vector<double> workspace(causal_attention_workspace_size(shape));
  std::vector<double> context(shape.batch * shape.sequence * shape.heads * shape.head_dim);
  causal_attention_forward<double>(shape, {qkv.data(), saved.data(), workspace.data()}, context.data());
  return context;
}

TEST(CausalAttention, TwoPositionsByHand) {
  // d = 4: q.k / sqrt(4). Position 0 sees itself alone. Position 1: q = (2,0,0,0), scores (0, 2 ln 3 / 2) = (0, ln 3),
  // probabilities (1/4, 3/4), context = v0 / 4 + 3 v1 / 4.
  const AttentionShape shape{.batch = 1, .sequence = 2, .model_dim = 1, .heads = 1, .kv_heads = 1, .head_dim = 4};
  const std::vector<double> qkv = {
      9, 9, 9, 9,          /* k0 */ 0,
      1, 1, 1, /* v0 */ 4, 0,
      8, 0,  //
      2, 0, 0, 0,          /* k1 */ std::log(3.0),
      5, 5, 5, /* v1 */ 0, 4,
      8, 0,
  };
  const std::vector<double> expected = {4, 0, 8, 0, 1, 3, 8, 0};
  EXPECT_LE(testing::relative_error(context_of(shape, qkv), expected), 1e-15);
}

TEST(CausalAttention, EqualKeysGiveTheMeanOfTheValuesSoFar) {
  const AttentionShape shape{.batch = 1, .sequence = 150, .model_dim = 1, .heads = 1, .kv_heads = 1, .head_dim = 2};
  std::vector<double> qkv;
  std::vector<double> expected;
  for (int position = 0; position < 150; ++position) {
    qkv.insert(qkv.end(), {1.0, 2.0, 3.0, 4.0, static_cast<double>(position), 1.0});
    expected.insert(expected.end(), {position / 2.0, 1.0});  // mean of 0 .. position
  }
  EXPECT_LE(testing::relative_error(context_of(shape, qkv), expected), 1e-14);
}

TEST(CausalAttention, LargeScoresDoNotOverflow) {
  const AttentionShape shape{.batch = 1, .sequence = 2, .model_dim = 1, .heads = 1, .kv_heads = 1, .head_dim = 2};
  // Position 1 meets its own key with a score of 1e4 * 1e4 / sqrt(2), key 0 with 0.
  const std::vector<double> qkv = {0, 0, 0, 0, 5, 6, 1e4, 0, 1e4, 0, 7, 8};
  EXPECT_EQ(context_of(shape, qkv), (std::vector<double>{5, 6, 7, 8}));
}

TEST(CausalAttention, BackwardEqualsFiniteDifferences) {
  AttentionShape shape{.batch = 2, .sequence = 50, .model_dim = 1, .heads = 2, .kv_heads = 1, .head_dim = 2};
  for (const bool recompute : {false, true}) {
    shape.recompute = recompute;
    RandomData random(95);
    auto qkv = random.vector(shape.batch * shape.sequence * qkv_dim(shape));
    const auto dcontext = random.vector(shape.batch * shape.sequence * shape.heads * shape.head_dim);
    std::vector<double> saved(causal_attention_saved_size(shape));
    std::vector<double> workspace(causal_attention_workspace_size(shape));
    std::vector<double> context(dcontext.size());
    std::vector<double> dqkv(qkv.size(), 7.0);
    const CausalAttentionBuffers<double> buffers{qkv.data(), saved.data(), workspace.data()};
    causal_attention_forward(shape, buffers, context.data());
    causal_attention_backward(shape, buffers, dcontext.data(), dqkv.data());
    testing::expect_gradient("qkv", qkv, dqkv, [&] { return testing::dot(context_of(shape, qkv), dcontext); });
  }
}

}  // namespace
}  // namespace sextant
