#include "models/memory_model.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

// M 8, 4 query and 2 key/value heads of 2, E 4 SwiGLU experts of H 12, top-2, f 1, V 10, 2 layers.
StepShape make_step(const ParallelDegrees& degrees, const Topology& topology) {
  return {.network = {.name = "small",
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
                      .capacity_factor = 1.0},
          .layout = ParallelLayout(degrees, topology),
          .micro_batch = 2,
          .sequence = 16};
}
StepShape one_rank() {
  return make_step({}, {});
}
StepShape four_ranks() {
  return make_step({.dp = 2, .tp = 2, .ep = 2, .esp = 2}, {.nodes = 2, .devices_per_node = 2});
}

double elements_of(const StepShape& step, const std::string& name) {
  for (const MemoryTerm& term : training_memory(step).terms) {
    if (term.name == name) return term.bytes.value() / step.element_bytes;
  }
  ADD_FAILURE() << "no term " << name;
  return 0.0;
}

TEST(TrainingMemory, KeepsFourCopiesOfEveryParameter) {
  const double parameters = static_cast<double>(local_parameters(one_rank()));
  EXPECT_EQ(elements_of(one_rank(), "parameters"), parameters);
  EXPECT_EQ(elements_of(one_rank(), "gradients"), parameters);
  EXPECT_EQ(elements_of(one_rank(), "optimizer state"), 2.0 * parameters);
}

TEST(TrainingMemory, OverlapCostsActivationsAndAStash) {
  const StepShape step = one_rank();
  const double plain = training_memory(step).total().value() / step.element_bytes;
  const double split = training_memory(step, {.split_expert_backward = true}).total().value() / step.element_bytes;
  // 64 rows of output gradients, 8 wide, and of hidden rows, 12 wide, for two layers.
  EXPECT_EQ(split - plain, 2 * 64 * (8 + 12));
  const MemoryBreakdown two = training_memory(step, {.micro_batches_in_flight = 2});
  const MemoryBreakdown plain_terms = training_memory(step);
  for (std::size_t i = 0; i < two.terms.size(); ++i) {
    const MemoryTerm& one = plain_terms.terms[i];
    const bool is_shared =
        one.name == "parameters" || one.name == "gradients" || one.name == "optimizer state" || one.name == "workspace";
    EXPECT_EQ(two.terms[i].bytes, (is_shared ? 1.0 : 2.0) * one.bytes) << one.name;
  }
}

TEST(TrainingMemory, OfOneRankCountedByHand) {
  const StepShape step = one_rank();
  // S = 32 tokens of 8; capacity 16 of 4 experts = 64 rows.
  EXPECT_EQ(elements_of(step, "residual stream"), 3 * 256 + 2 * (2 * 256 + 32));
  // Q K V 16 wide, context 8; probabilities: one block of 16 x 16 for 2 samples x 4 heads.
  EXPECT_EQ(elements_of(step, "attention activations"), 2 * (32 * (8 + 1 + 16 + 8) + 2 * 4 * 256));
  // Rows in 64 x 8, two pre-activations of 12, rows back 64 x 8.
  EXPECT_EQ(elements_of(step, "expert activations"), 2 * (64 * (8 + 24) + 64 * 8));
  EXPECT_EQ(elements_of(step, "chunk buffers"), 2 * 64 * 8);
  EXPECT_EQ(elements_of(step, "activation buffers"), 3 * 256);
  EXPECT_EQ(elements_of(step, "logits"), 32 * (10 + 8 + 1));
  // Attention 32 x 24 + 16 x 16 scores, rotary 16 x 2, one expert's 16 rows of 12, a norm's gradient.
  EXPECT_EQ(elements_of(step, "workspace"), 32 * 24 + 256 + 32 + 16 * 12 + 256);
  // Per layer 128 + 4 indices (of 4 bytes), 8 doubles, 2 x 64 + 32 x 4 values; once 32 x 4.
  EXPECT_EQ(elements_of(step, "routing"), 2 * (132 + 16 + 256) + 128);
}

TEST(TrainingMemory, OfFourRanksHoldsTheGatheredRowsAndSequences) {
  const StepShape step = four_ranks();
  // S = 16 tokens, capacity 8: 32 rows sent; 2 local experts x 8 rows x 4 sources = 64 rows received.
  // Half the heads: Q K V 8 wide, context 4; gathered input of attention 32 x 8.
  EXPECT_EQ(elements_of(step, "attention activations"), 2 * (256 + 32 * (8 + 1 + 8 + 4) + 2 * 2 * 256));
  EXPECT_EQ(elements_of(step, "expert activations"), 2 * (64 * (8 + 2 * 6) + 32 * 8));
  // Sent, received, gathered over esp 2, and one expert's 32 rows twice.
  EXPECT_EQ(elements_of(step, "chunk buffers"), (2 * 32 + 2 * 32 + 2 * 32) * 8);
  EXPECT_EQ(elements_of(step, "activation buffers"), 3 * 16 * 8 + 2 * 32 * 8);
}

TEST(TrainingMemory, ProbabilitiesOfLongSequencesTakeHalfTheSquare) {
  StepShape step = one_rank();
  step.sequence = 4096;
  StepShape two_heads = step;
  two_heads.network.heads = 2;
  two_heads.network.head_dim = 4;  // the same projections
  two_heads.network.kv_heads = 1;
  const double square = 4096.0 * 4096.0;
  const double of_two_heads =
      (elements_of(step, "attention activations") - elements_of(two_heads, "attention activations"));
  // 2 layers x 2 samples x 2 heads x (1/2 square + 32 x 4096 of the diagonal blocks)
  EXPECT_EQ(of_two_heads, 8.0 * (square / 2.0 + 32.0 * 4096.0));
}

TEST(TrainingMemory, GrowsWithTheMicroBatchButNotWithTheirNumber) {
  StepShape step = one_rank();
  const Bytes before = training_memory(step).total();
  step.num_micro_batches = 8;
  EXPECT_EQ(training_memory(step).total(), before);
  step.micro_batch = 3;
  EXPECT_GT(training_memory(step).total(), before);
}

TEST(TrainingMemory, DoublePrecisionTakesTwiceTheMemoryButForIndicesAndSums) {
  StepShape step = one_rank();
  const Bytes single = training_memory(step).total();
  step.element_bytes = 8;
  const Bytes fixed(2.0 * (132 * 4 + 8 * 8));  // per layer 132 indices of 4 bytes, 8 doubles
  EXPECT_EQ(training_memory(step).total() - fixed, 2.0 * (single - fixed));
}

TEST(TrainingMemory, ShardingExpertsOverMoreRanksSavesMemory) {
  const Topology four{.nodes = 1, .devices_per_node = 4};
  const Bytes replicated = training_memory(make_step({.dp = 4, .edp = 4}, four)).total();
  EXPECT_LT(training_memory(make_step({.dp = 4, .ep = 4}, four)).total(), replicated);
}

TEST(MemoryBreakdown, TotalsItsTermsAndNamesTheLargest) {
  const MemoryBreakdown breakdown{{{"a", Bytes(1.0)}, {"b", Bytes(5.0)}, {"c", Bytes(2.0)}}};
  EXPECT_EQ(breakdown.total(), Bytes(8.0));
  EXPECT_EQ(breakdown.largest().name, "b");
  EXPECT_EQ(MemoryBreakdown{}.total(), Bytes(0.0));
  EXPECT_THROW(static_cast<void>(MemoryBreakdown{}.largest()), InternalError);
}

TEST(TrainingMemory, NamesEveryTermOnce) {
  std::set<std::string> names;
  const MemoryBreakdown breakdown = training_memory(one_rank());
  for (const MemoryTerm& term : breakdown.terms) names.insert(term.name);
  EXPECT_EQ(names.size(), breakdown.terms.size());
}

}  // namespace
}  // namespace sextant
