#include "models/step_estimate.h"

#include <cmath>
#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/models/tiny_network.h"

namespace sextant {
namespace {

// Rates at which everything can be counted by hand: 1 TFLOP/s at any size, 1 GB/s inside and 0.1 GB/s between nodes
// of 4 ranks, no latencies.
Cluster simple_cluster() {
  Cluster cluster;
  cluster.name = "simple";
  cluster.topology = {.nodes = 1, .devices_per_node = 4};
  cluster.element_bytes = 2;
  cluster.device = {.peak = FlopsPerSecond(1e12), .memory_bandwidth = BytesPerSecond(1e12), .memory = Bytes(1e9)};
  cluster.reference = Reference{.source = "made for this test",
                                .intra = {BytesPerSecond(1e9), Seconds(0.0)},
                                .inter = {BytesPerSecond(1e8), Seconds(0.0)},
                                .product_efficiency = 1.0,
                                .attention_forward_efficiency = 1.0,
                                .attention_backward_efficiency = 1.0,
                                .memory_efficiency = 1.0};
  return cluster;
}

Network dense_network() {
  return tiny_dense_network(2, ExpertKind::kGelu);
}
Network moe_network() {
  return tiny_moe_network(2, ExpertKind::kGelu);
}

TrainingSetup setup_of(const ParallelDegrees& degrees) {
  return {.degrees = degrees, .micro_batch = 2, .num_micro_batches = 3, .sequence = 16};
}

const FrameworkAssumptions kNoOverhead{.residual_passes = 0.0,
                                       .attention_passes = 0.0,
                                       .feed_forward_passes = 0.0,
                                       .permute_passes = 0.0,
                                       .logit_passes = 0.0,
                                       .step_overhead = Seconds(0.0)};

TEST(EstimateStep, ProductsOfOneDenseRankCountedByHand) {
  // A layer: Q K V 8 x 24, output 8 x 8, feed-forward 8 x 32 and 32 x 8: 768 weights. 32 tokens, 2 flops, forward and
  // two in the backward, 2 layers, 3 micro-batches. Memory would allow more: 1 TB/s.
  const StepEstimate estimate = estimate_step(dense_network(), setup_of({}), simple_cluster(), kNoOverhead);
  const double flops = 768.0 * 32 * 2 * 3 * 2 * 3;
  // Small products wait for memory instead; computation is the lower bound.
  EXPECT_GE(estimate[StepTerm::kProducts].value(), flops / 1e12);
  // Attention: 2 x 16 positions x (8 + 8) x 32 tokens, half of it causal, 1 + 2.5 passes.
  EXPECT_NEAR(estimate[StepTerm::kAttention].value(), 2.0 * 16 * 16 * 32 * 0.5 * 3.5 * 2 * 3 / 1e12, 1e-18);
  for (const StepTerm term :
       {StepTerm::kTensorParallel, StepTerm::kContextParallel, StepTerm::kDispatch, StepTerm::kExpertShard,
        StepTerm::kBubble, StepTerm::kPipelineTransfer, StepTerm::kGradients, StepTerm::kRecompute}) {
    EXPECT_EQ(estimate[term], Seconds(0.0)) << to_text(term);
  }
}

TEST(EstimateStep, TheBubbleIsTheStagesBehindTheFirst) {
  // (pp - 1) / v of a stage's micro-batch.
  TrainingSetup setup = setup_of({.pp = 2});
  const auto bubble_share = [&] {
    const StepEstimate estimate = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
    Seconds stages;
    for (const StepTerm term :
         {StepTerm::kProducts, StepTerm::kAttention, StepTerm::kElementwise, StepTerm::kHead, StepTerm::kRecompute}) {
      stages += estimate[term];
    }
    return estimate[StepTerm::kBubble] / stages;
  };
  EXPECT_NEAR(bubble_share(), 1.0 / 3.0, 1e-12);  // 3 micro-batches
  setup.virtual_stages = 2;
  EXPECT_NEAR(bubble_share(), 1.0 / 6.0, 1e-12);
}

TEST(EstimateStep, TensorParallelTrafficCountedByHand) {
  // tp 2 inside a node: a collective moves half of 32 tokens x 8 x 2 B = 256 B at 1 GB/s; of a dense layer 4 in
  // the forward and 6 in the backward; 2 layers, 3 micro-batches.
  const TrainingSetup setup = setup_of({.dp = 1, .tp = 2, .edp = 1, .esp = 2});
  const StepEstimate estimate = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(estimate[StepTerm::kTensorParallel].value(), 256e-9 * 10 * 2 * 3, 1e-15);
}

TEST(EstimateStep, DispatchInsideANodeCountedByHand) {
  // ep 4 in a node of 4: 32 tokens x 2 choices x 8 x 2 B = 1024 B, three quarters leave, at 0.9 GB/s; two all-to-alls
  // forward, three backward, 2 layers, 3 micro-batches.
  const TrainingSetup setup = setup_of({.dp = 4, .edp = 1, .ep = 4});
  const StepEstimate estimate = estimate_step(moe_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(estimate[StepTerm::kDispatch].value(), 768.0 / 0.9e9 * 5 * 2 * 3, 1e-15);
}

TEST(EstimateStep, DispatchBetweenNodesWaitsForThePorts) {
  // ep 8 over two nodes: half of 1024 B leaves at 0.08 GB/s; 3/8 stay in the node at 0.9 GB/s, meanwhile.
  TrainingSetup setup = setup_of({.dp = 8, .edp = 1, .ep = 8});
  const auto dispatch = [&] {
    return estimate_step(moe_network(), setup, simple_cluster(), kNoOverhead)[StepTerm::kDispatch].value();
  };
  EXPECT_NEAR(dispatch(), 512.0 / 0.08e9 * 5 * 2 * 3, 1e-12);
  // De-duplicated: of two copies 2 (1 - 1/4) = 1.5 nodes are hit; 0.6 of it is exposed.
  setup.dispatch = Dispatch::kDeduplicated;
  EXPECT_NEAR(dispatch(), 0.6 * 512.0 * (1.5 / 2) / 0.08e9 * 5 * 2 * 3, 1e-12);
}

TEST(EstimateStep, RecomputingEverythingRunsTheForwardAgain) {
  TrainingSetup setup = setup_of({});
  setup.recompute = Recompute::kFull;
  const StepEstimate full = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  // Products: one forward of three passes; attention: one of 3.5.
  const double forward = full[StepTerm::kProducts].value() / 3.0 + full[StepTerm::kAttention].value() / 3.5;
  EXPECT_NEAR(full[StepTerm::kRecompute].value(), forward, 1e-15);
  setup.recompute = Recompute::kSelective;
  const StepEstimate selective = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(selective[StepTerm::kRecompute].value(), full[StepTerm::kAttention].value() / 3.5, 1e-18);
}

TEST(EstimateStep, ShardedParametersAreGatheredForEveryMicroBatch) {
  TrainingSetup setup = setup_of({.dp = 8, .edp = 8});
  setup.zero_stage = 3;
  const Seconds each = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead)[StepTerm::kGradients];
  setup.keeps_gathered = true;
  const Seconds once = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead)[StepTerm::kGradients];
  EXPECT_GT(each, 2.5 * once);
  EXPECT_GT(once, Seconds(0.0));
}

TEST(EstimateStep, FasterMachinesAreNeverSlower) {
  const TrainingSetup setup = setup_of({.pp = 2, .dp = 8, .tp = 2, .edp = 2, .ep = 8});
  const Cluster cluster = simple_cluster();
  const Seconds before = estimate_step(moe_network(), setup, cluster).total();
  for (int which = 0; which < 4; ++which) {
    Cluster faster = cluster;
    if (which == 0) faster.device.peak *= 2.0;
    if (which == 1) faster.device.memory_bandwidth *= 2.0;
    if (which == 2) faster.reference->intra.bandwidth *= 2.0;
    if (which == 3) faster.reference->inter.bandwidth *= 2.0;
    EXPECT_LE(estimate_step(moe_network(), setup, faster).total(), before) << which;
  }
}

TEST(StepEstimate, TheLargestOverheadIsNoProduct) {
  StepEstimate estimate;
  estimate.terms[static_cast<std::size_t>(StepTerm::kProducts)] = Seconds(5.0);
  estimate.terms[static_cast<std::size_t>(StepTerm::kBubble)] = Seconds(2.0);
  EXPECT_EQ(estimate.largest_overhead(), StepTerm::kBubble);
  EXPECT_EQ(estimate.total(), Seconds(7.0));
}

TEST(StepTerm, NamesEveryTermDifferently) {
  std::set<std::string> names;
  for (int t = 0; t < kNumStepTerms; ++t) names.insert(to_text(StepTerm(t)));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kNumStepTerms));
}

TEST(ModelFlopsPerToken, IsSixPerWeightAndTheWholeSquare) {
  // 2 layers of 768 weights and 10 x 8 of the head: 6 each; the square 3 x 2 x 16 positions x 16, 2 layers.
  EXPECT_EQ(model_flops_per_token(dense_network(), 16), Flops(6.0 * (2 * 768 + 80) + 3.0 * 2 * 16 * 16 * 2));
}

}  // namespace
}  // namespace sextant
