#include "models/work.h"

#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;

constexpr int kFloat = 4;

// M 8, 4 query and 2 key/value heads of 2, E 4 experts of H 12, top-2, f 1, V 10, 2 layers.
Network small_network() {
  return {.name = "small",
          .vocabulary = 10,
          .layers = 2,
          .model_dim = 8,
          .heads = 4,
          .kv_heads = 2,
          .head_dim = 2,
          .expert_kind = ExpertKind::kSwiglu,
          .expert_hidden_dim = 12,
          .num_experts = 4,
          .top_k = 2,
          .capacity_factor = 1.0};
}

StepShape make_step(const ParallelDegrees& degrees, const Topology& topology) {
  return {.network = small_network(), .layout = ParallelLayout(degrees, topology), .micro_batch = 2, .sequence = 16};
}

StepShape one_rank() {
  return make_step({}, {});
}
// Two nodes of two: tp 2 and esp 2 within a node, dp 2 and ep 2 across.
StepShape four_ranks() {
  return make_step({.dp = 2, .tp = 2, .ep = 2, .esp = 2}, {.nodes = 2, .devices_per_node = 2});
}

TEST(Count, AttentionForwardIsProjectionsAndTheCausalHalf) {
  // 32 tokens. Projections: M (8 + 2 x 4) + 8 M = 192 weights -> 2 x 32 x 192 = 12288 flops.
  // Causal: (16 + 1) / 2 = 8.5 positions on average, scores and values: 2 x 2 x 32 x 8.5 x 8 = 8704 flops.
  const KernelCounts counts = count(attention_work(one_rank(), Pass::kForward), kFloat);
  EXPECT_EQ(counts.flops, Flops(12288.0 + 8704.0));
  // 192 weights; per token input 8, Q K V 16, context 8, output 8.
  EXPECT_EQ(counts.bytes, Bytes(4.0 * (192 + 32 * 40)));
}

TEST(Count, AttentionOfTwoTensorRanksIsHalfTheProducts) {
  const Flops whole = count(attention_work(one_rank(), Pass::kForward), kFloat).flops;
  EXPECT_EQ(count(attention_work(four_ranks(), Pass::kForward), kFloat).flops, whole / 2.0);
}

TEST(Count, ExpertForwardIsThreeProductsForSwigluTwoForGelu) {
  // capacity = 2 x 32 / 4 = 16 rows of each of 4 experts: 2 x 64 x 8 x 12 x 3 flops.
  StepShape step = one_rank();
  const KernelCounts counts = count(expert_work(step, Pass::kForward, step.capacity()), kFloat);
  EXPECT_EQ(counts.flops, Flops(2.0 * 64 * 8 * 12 * 3));
  // weights 4 x 3 x 96; rows 64 x (3 x 8 + 3 x 12)
  EXPECT_EQ(counts.bytes, Bytes(4.0 * (1152 + 64 * 60)));
  step.network.expert_kind = ExpertKind::kGelu;
  EXPECT_EQ(count(expert_work(step, Pass::kForward, step.capacity()), kFloat).flops, Flops(2.0 * 64 * 8 * 12 * 2));
}

TEST(Count, RouteUnrouteHeadEmbeddingAndUpdateByHand) {
  const StepShape step = one_rank();
  // gate 8 x 4 for 32 tokens
  EXPECT_EQ(count(route_work(step, Pass::kForward), kFloat).flops, Flops(2.0 * 32 * 8 * 4));
  EXPECT_EQ(count(route_work(step, Pass::kForward), kFloat).bytes, Bytes(4.0 * (32 + 32 * (8 * 6 + 4))));
  // two weighted rows per token
  EXPECT_EQ(count(unroute_work(step, Pass::kForward), kFloat).flops, Flops(2.0 * 2 * 32 * 8));
  EXPECT_EQ(count(unroute_work(step, Pass::kForward), kFloat).bytes, Bytes(4.0 * 32 * 8 * 4));
  // output matrix 8 x 10
  EXPECT_EQ(count(head_work(step, Pass::kForward), kFloat).flops, Flops(2.0 * 32 * 8 * 10));
  EXPECT_EQ(count(head_work(step, Pass::kForward), kFloat).bytes, Bytes(4.0 * (80 + 32 * (16 + 20))));
  // no arithmetic, a row read and written, a token index each
  EXPECT_EQ(count(embedding_work(step, Pass::kForward), kFloat).flops, Flops(0.0));
  EXPECT_EQ(count(embedding_work(step, Pass::kForward), kFloat).bytes, Bytes(4.0 * 2 * 32 * 8 + 4 * 32));
  EXPECT_EQ(count(embedding_work(step, Pass::kBackward), kFloat).flops, Flops(32.0 * 8));
  EXPECT_EQ(count(embedding_work(step, Pass::kBackward), kFloat).bytes, Bytes(4.0 * 3 * 32 * 8 + 4 * 32));
  const double parameters = static_cast<double>(local_parameters(step));
  EXPECT_EQ(count(gradient_norm_work(step), kFloat).flops, Flops(2.0 * parameters));
  EXPECT_EQ(count(gradient_norm_work(step), kFloat).bytes, Bytes(4.0 * parameters));
  EXPECT_EQ(count(optimizer_work(step), kFloat).flops, Flops(16.0 * parameters));
  EXPECT_EQ(count(optimizer_work(step), kFloat).bytes, Bytes(4.0 * 7.0 * parameters));
}

TEST(Count, BackwardIsTwiceTheProductsOfTheForward) {
  const StepShape step = one_rank();
  const auto expect_double = [](const KernelWork& forward, const KernelWork& backward) {
    EXPECT_EQ(count(backward, kFloat).flops, 2.0 * count(forward, kFloat).flops) << to_text(forward.op);
    EXPECT_GT(count(backward, kFloat).bytes, count(forward, kFloat).bytes) << to_text(forward.op);
  };
  expect_double(attention_work(step, Pass::kForward), attention_work(step, Pass::kBackward));
  expect_double(route_work(step, Pass::kForward), route_work(step, Pass::kBackward));
  expect_double(unroute_work(step, Pass::kForward), unroute_work(step, Pass::kBackward));
  expect_double(head_work(step, Pass::kForward), head_work(step, Pass::kBackward));
  expect_double(expert_work(step, Pass::kForward, 4), expert_work(step, Pass::kBackward, 4));
}

TEST(Count, HalvesOfTheExpertBackwardHaveItsProducts) {
  KernelWork work{.op = Operator::kExpert,
                  .pass = Pass::kBackward,
                  .shape = {.rows = 7, .model_dim = 8, .hidden_dim = 12, .experts = 2, .gated = 1}};
  const Flops whole = count(work, 4).flops;
  for (const Pass half : {Pass::kInputGradient, Pass::kWeightGradient}) {
    work.pass = half;
    EXPECT_EQ(count(work, 4).flops, whole / 2.0);
    EXPECT_GT(count(work, 4).bytes, Bytes(0.0));
  }
}

TEST(Count, BytesScaleWithTheElementFlopsDoNot) {
  const KernelWork work = expert_work(one_rank(), Pass::kForward, 4);
  EXPECT_EQ(count(work, 8).bytes, 2.0 * count(work, 4).bytes);
  EXPECT_EQ(count(work, 8).flops, count(work, 4).flops);
}

TEST(StepShape, SplitsTheSequenceOverTensorRanks) {
  EXPECT_EQ(one_rank().tokens_per_rank(), 32);
  EXPECT_EQ(four_ranks().tokens_per_rank(), 16);
  EXPECT_EQ(four_ranks().capacity(), 8);  // 2 x 16 / 4
  EXPECT_EQ(four_ranks().global_batch(), 4);
  EXPECT_EQ(four_ranks().local_experts(), 2);
}

TEST(ExpertWork, SeesTheRowsOfAllSourcesAndItsShardOfTheHiddenDim) {
  const KernelShape shape = expert_work(four_ranks(), Pass::kForward, 3).shape;
  EXPECT_EQ(shape.rows, 3 * 2 * 2);  // ep x esp sources
  EXPECT_EQ(shape.experts, 2);
  EXPECT_EQ(shape.hidden_dim, 6);
}

TEST(ExpertWork, OfAllRanksTogetherDoesNotDependOnTheLayout) {
  // 4 ranks x capacity 8 of 2 replicas' tokens = 2 ranks x capacity 16 of one replica's.
  const StepShape step = four_ranks();
  const Flops each = count(expert_work(step, Pass::kForward, step.capacity()), kFloat).flops;
  const StepShape alone = one_rank();
  const Flops whole = count(expert_work(alone, Pass::kForward, alone.capacity()), kFloat).flops;
  EXPECT_EQ(4.0 * each, 2.0 * whole);
}

TEST(Collectives, CarryTheBuffersOfTheContract) {
  const StepShape step = four_ranks();
  // attention: micro_batch 2 x sequence 16 x M 8 floats
  EXPECT_EQ(attention_gather_work(step).op, Collective::kAllGather);
  EXPECT_EQ(attention_gather_work(step).buffer, Bytes(4.0 * 2 * 16 * 8));
  EXPECT_EQ(attention_gather_work(step).group, (GroupShape{1, 2}));
  EXPECT_EQ(attention_scatter_work(step).op, Collective::kReduceScatter);
  EXPECT_EQ(attention_scatter_work(step).buffer, attention_gather_work(step).buffer);
  // experts: E 4 x rows 5 x M 8 floats sent; gathered from esp 2
  EXPECT_EQ(dispatch_work(step, 5).op, Collective::kAllToAll);
  EXPECT_EQ(dispatch_work(step, 5).buffer, Bytes(4.0 * 4 * 5 * 8));
  EXPECT_EQ(dispatch_work(step, 5).group, (GroupShape{2, 1}));
  EXPECT_EQ(combine_work(step, 5).buffer, dispatch_work(step, 5).buffer);
  EXPECT_EQ(expert_gather_work(step, 5).buffer, 2.0 * dispatch_work(step, 5).buffer);
  EXPECT_EQ(expert_gather_work(step, 5).group, (GroupShape{1, 2}));
  EXPECT_EQ(expert_scatter_work(step, 5).op, Collective::kReduceScatter);
  EXPECT_EQ(expert_scatter_work(step, 5).buffer, expert_gather_work(step, 5).buffer);
  EXPECT_EQ(gradient_reduce_work(step, GroupKind::kStage, 100).buffer, Bytes(400.0));
  EXPECT_EQ(gradient_reduce_work(step, GroupKind::kStage, 100).group, (GroupShape{2, 2}));
}

TEST(Collectives, AgreeWithTheGoldenSizesOfFsmoe) {
  // Mixtral layer, B 1, L 1024, k f = 2.4, tp = esp = 8, M 4096: n_a2a = 1258291.2 elements before rounding
  // the capacity up, n_ag = 8 n_a2a. Capacity ceil(2.4 x 128 / 6) = 52 rows (51.2) of 6 experts.
  Network n = small_network();
  n.model_dim = 4096;
  n.heads = 32;
  n.kv_heads = 8;
  n.expert_hidden_dim = 14336;
  n.num_experts = 6;
  n.capacity_factor = 1.2;
  const StepShape step{
      .network = n,
      .layout = ParallelLayout({.dp = 6, .tp = 8, .ep = 6, .esp = 8}, {.nodes = 6, .devices_per_node = 8}),
      .sequence = 1024};
  EXPECT_EQ(step.capacity(), 52);
  EXPECT_EQ(dispatch_work(step, step.capacity()).buffer, Bytes(4.0 * 1258291.2 * 52 / 51.2));
  EXPECT_EQ(expert_gather_work(step, step.capacity()).buffer, 8.0 * dispatch_work(step, step.capacity()).buffer);
}

TEST(GradientElements, OfOneRankAreAllReducedOverDp) {
  const StepShape step = one_rank();
  EXPECT_EQ(num_gradient_units(step), 4);
  EXPECT_EQ(gradient_elements(step, GroupKind::kDp, 0), 8 + 80);         // final norm, output matrix
  EXPECT_EQ(gradient_elements(step, GroupKind::kDp, 1), 192 + 16 + 32);  // attention, norms, gate
  EXPECT_EQ(gradient_elements(step, GroupKind::kDp, 3), 80);             // embedding
  EXPECT_EQ(gradient_elements(step, GroupKind::kEdp, 0), 0);
  EXPECT_EQ(gradient_elements(step, GroupKind::kEdp, 1), 4 * 3 * 96);
  EXPECT_EQ(gradient_elements(step, GroupKind::kEdp, 3), 0);
  for (int unit = 0; unit < 4; ++unit) EXPECT_EQ(gradient_elements(step, GroupKind::kStage, unit), 0);
}

TEST(GradientElements, WithTensorRanksTheReplicatedOnesMoveToTheStage) {
  const StepShape step = four_ranks();
  EXPECT_EQ(gradient_elements(step, GroupKind::kDp, 0), 0);
  EXPECT_EQ(gradient_elements(step, GroupKind::kStage, 0), 88);
  EXPECT_EQ(gradient_elements(step, GroupKind::kDp, 2), 192 / 2);
  EXPECT_EQ(gradient_elements(step, GroupKind::kStage, 2), 48);
  EXPECT_EQ(gradient_elements(step, GroupKind::kEdp, 2), 2 * 3 * 96 / 2);  // 2 local experts, halves of H
  EXPECT_EQ(gradient_elements(step, GroupKind::kStage, 3), 80);
  for (const GroupKind group : {GroupKind::kTp, GroupKind::kEp, GroupKind::kEsp}) {
    for (int unit = 0; unit < 4; ++unit) EXPECT_EQ(gradient_elements(step, group, unit), 0);
  }
}

TEST(LocalParameters, OfOneRankAreTheWholeNetwork) {
  EXPECT_EQ(local_parameters(one_rank()), total_parameters(small_network()));
}

TEST(LocalParameters, OfAllRanksCountEveryReplicaOnce) {
  // 4 ranks: attention in 2 replicas, the other dense parameters in 4, experts in one.
  const Network n = small_network();
  const std::int64_t attention = n.layers * attention_parameters(n);
  const std::int64_t experts = n.layers * n.num_experts * expert_parameters(n);
  const std::int64_t others = total_parameters(n) - attention - experts;
  EXPECT_EQ(4 * local_parameters(four_ranks()), 2 * attention + 4 * others + experts);
}

TEST(LocalParameters, OfAPipelineStageHoldOnlyItsLayers) {
  const StepShape step = make_step({.pp = 2}, {.nodes = 1, .devices_per_node = 2});
  EXPECT_EQ(num_gradient_units(step), 3);
  const Network n = small_network();
  const std::int64_t ends = 2 * n.vocabulary * n.model_dim + n.model_dim;
  EXPECT_EQ(2 * (local_parameters(step) - ends), total_parameters(n) - ends);
}

struct BadStep {
  ParallelDegrees degrees;
  std::int64_t micro_batch;
  std::int64_t sequence;
  const char* message;
};

TEST(Validate, NamesTheDivisionThatFails) {
  const Topology twelve{.nodes = 1, .devices_per_node = 12};
  const BadStep cases[] = {
      {{.dp = 4, .tp = 3, .edp = 12}, 1, 12, "tp 3 does not divide heads 4"},
      {{.dp = 3, .tp = 4, .edp = 12}, 1, 16, "tp 4 does not divide kv_heads 2"},
      {{.dp = 6, .tp = 2, .edp = 12}, 1, 15, "tp 2 does not divide sequence 15"},
      {{.dp = 3, .cp = 2, .tp = 2, .edp = 12}, 1, 14, "cp * tp 4 does not divide sequence 14"},
      {{.dp = 12, .edp = 4, .ep = 3}, 1, 16, "ep 3 does not divide num_experts 4"},
      {{.dp = 12, .ep = 1, .esp = 12}, 1, 16, ""},
      {{.pp = 12}, 1, 16, "pp 12 does not divide layers 2"},
      {{.dp = 12, .edp = 12}, 0, 16, "micro_batch is 0"},
      {{.dp = 12, .edp = 12}, 1, 0, "sequence is 0"},
      {{.dp = 12, .edp = 12}, -1, 16, "micro_batch is -1"},
      {{.dp = 12, .edp = 12}, std::int64_t{1} << 60, 16, "micro_batch is 1152921504606846976"},
  };
  for (const BadStep& c : cases) {
    StepShape step = make_step(c.degrees, twelve);
    step.micro_batch = c.micro_batch;
    step.sequence = c.sequence;
    if (*c.message == '\0') {
      EXPECT_NO_THROW(validate(step)) << to_text(c.degrees);
    } else {
      EXPECT_THAT(error_text<ConfigError>([&] { validate(step); }), HasSubstr(c.message)) << to_text(c.degrees);
    }
  }
}

TEST(Validate, RefusesAHiddenDimThatDoesNotDivide) {
  StepShape step = make_step({.dp = 2, .esp = 2}, {.nodes = 1, .devices_per_node = 2});
  step.network.expert_hidden_dim = 13;
  EXPECT_THAT(error_text<ConfigError>([&] { validate(step); }),
              HasSubstr("esp 2 does not divide expert_hidden_dim 13"));
}

TEST(ToText, NamesEveryEnumeratorDifferently) {
  std::set<std::string> names;
  for (int i = 0; i < kNumOperators; ++i) names.insert(to_text(static_cast<Operator>(i)));
  for (int i = 0; i < kNumCollectives; ++i) names.insert(to_text(static_cast<Collective>(i)));
  names.insert(to_text(Pass::kForward));
  names.insert(to_text(Pass::kBackward));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kNumOperators + kNumCollectives + 2));
}

}  // namespace
}  // namespace sextant
