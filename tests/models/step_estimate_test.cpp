#include "models/step_estimate.h"

#include <gtest/gtest.h>

#include "tests/models/reference_cluster.h"
#include "tests/models/tiny_network.h"

namespace sextant {
namespace {

Network dense_network() {
  return tiny_dense_network(2, ExpertKind::kGelu);
}
Network moe_network() {
  return tiny_moe_network(2, ExpertKind::kGelu);
}

TrainingSetup setup_of(const ParallelDegrees& degrees) {
  return {.degrees = degrees, .micro_batch = 2, .num_micro_batches = 3, .sequence = 16};
}

const FrameworkAssumptions kNoOverhead = no_overhead();

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

// Forward, backward and weight gradients of the whole network on one micro-batch.
struct Whole {
  double forward = 0.0, backward = 0.0, weight_gradients = 0.0;
};
Whole whole(const Network& network, const TrainingSetup& setup) {
  const LayerTimes times = layer_times(network, setup, simple_cluster(), kNoOverhead);
  Whole w;
  for (const auto& [part, count] :
       {std::pair(times.dense, static_cast<double>(network.dense.layers.size())),
        std::pair(times.moe, static_cast<double>(num_moe_layers(network))), std::pair(times.head, 1.0)}) {
    w.forward += count * sum(part.forward).value();
    w.backward += count * sum(part.backward).value();
    w.weight_gradients += count * part.weight_gradients.value();
  }
  return w;
}

double stage_terms(const StepEstimate& estimate) {
  return (estimate[StepTerm::kProducts] + estimate[StepTerm::kAttention] + estimate[StepTerm::kHead]).value();
}

TEST(EstimateStep, TheBubbleOf1F1BIsTheOtherStages) {
  // Two layers and the head on two stages: the second stage is the slowest, the first one's layer is the bubble.
  TrainingSetup setup = setup_of({.pp = 2});
  const Whole w = whole(dense_network(), setup);
  const StepEstimate plain = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(plain[StepTerm::kBubble].value(), w.forward + w.backward - stage_terms(plain) / 3.0, 1e-18);
  setup.virtual_stages = 2;
  const StepEstimate interleaved = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(interleaved[StepTerm::kBubble].value(), plain[StepTerm::kBubble].value() / 2.0, 1e-18);
}

TEST(EstimateStep, ZeroBubbleFillsTheBubbleWithWeightGradients) {
  // (pp - 1) (F + B - 2 W), means of two stages.
  TrainingSetup setup = setup_of({.pp = 2});
  setup.pipeline = PipelineSchedule::kZeroBubble;
  const Whole w = whole(dense_network(), setup);
  const StepEstimate estimate = estimate_step(dense_network(), setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(estimate[StepTerm::kBubble].value(), (w.forward + w.backward - 2.0 * w.weight_gradients) / 2.0, 1e-18);
}

TEST(EstimateStep, DualPipeHasHalfTheStagesToFill) {
  // (pp / 2 - 1) (F&B + B - 3 W) with pp 4; without experts F&B is F + B. Nothing is transferred alone.
  const Network network = tiny_dense_network(4, ExpertKind::kGelu);
  TrainingSetup setup = setup_of({.pp = 4});
  setup.pipeline = PipelineSchedule::kDualPipe;
  const Whole w = whole(network, setup);
  const StepEstimate estimate = estimate_step(network, setup, simple_cluster(), kNoOverhead);
  EXPECT_NEAR(estimate[StepTerm::kBubble].value(), (w.forward + 2.0 * w.backward - 3.0 * w.weight_gradients) / 4.0,
              1e-18);
  EXPECT_EQ(estimate[StepTerm::kPipelineTransfer], Seconds(0.0));
}

TEST(EstimateStep, DualPipeHidesDispatchUnderTheOtherDirection) {
  // Waiting for the ports takes far longer than the products: all that is left of it.
  TrainingSetup setup = setup_of({.pp = 2, .dp = 8, .edp = 1, .ep = 8});
  const StepEstimate alone = estimate_step(moe_network(), setup, simple_cluster(), kNoOverhead);
  setup.pipeline = PipelineSchedule::kDualPipe;
  const StepEstimate beside = estimate_step(moe_network(), setup, simple_cluster(), kNoOverhead);
  const Seconds computation = beside[StepTerm::kProducts] + beside[StepTerm::kAttention];
  EXPECT_NEAR(beside[StepTerm::kDispatch].value(), (alone[StepTerm::kDispatch] - computation).value(), 1e-12);
}

TEST(EstimateStep, TellsWhatChunksHide) {
  // Two layers and three micro-batches: what one layer hides, six times; the step is that much shorter.
  TrainingSetup setup = setup_of({.dp = 8, .edp = 1, .ep = 8});
  setup.num_micro_batches = 3;
  FrameworkAssumptions framework = kNoOverhead;
  framework.dispatch_multiprocessors = 0.0;
  const StepEstimate alone = estimate_step(moe_network(), setup, simple_cluster(), framework);
  setup.overlap = Overlap::kChunks;
  setup.forward_degree = setup.backward_degree = 2;
  const StepEstimate chunks = estimate_step(moe_network(), setup, simple_cluster(), framework);
  const Seconds of_layer = layer_times(moe_network(), setup, simple_cluster(), framework).moe.hidden;
  EXPECT_GT(of_layer, Seconds(0.0));
  EXPECT_EQ(alone.hidden, Seconds(0.0));
  EXPECT_DOUBLE_EQ(chunks.hidden.value(), 6.0 * of_layer.value());
  EXPECT_NEAR((alone.total() - chunks.total()).value(), chunks.hidden.value(), 1e-12);
}

TEST(EstimateStep, TheSlowestStageCounts) {
  // Four layers on two stages: 3 + 1 makes every micro-batch wait for three layers, 2 + 2 for two and the head.
  const Network network = tiny_dense_network(4, ExpertKind::kGelu);
  TrainingSetup setup = setup_of({.pp = 2});
  const auto products = [&] {
    return estimate_step(network, setup, simple_cluster(), kNoOverhead)[StepTerm::kProducts].value();
  };
  const double even = products();
  setup.stage_layers = {3, 1};
  EXPECT_NEAR(products(), even * 1.5, 1e-15);
}

TEST(EstimateEvenStep, IsNeverAboveAnySplit) {
  const Network network = tiny_dense_network(6, ExpertKind::kGelu);
  for (const PipelineSchedule schedule :
       {PipelineSchedule::k1F1B, PipelineSchedule::kZeroBubble, PipelineSchedule::kDualPipe}) {
    TrainingSetup setup = setup_of({.pp = 2, .dp = 2, .edp = 2});
    setup.pipeline = schedule;
    for (const int zero : {1, 2, 3}) {
      setup.zero_stage = zero;
      const Seconds bound = estimate_even_step(network, setup, simple_cluster()).total();
      for (int first = 1; first < 6; ++first) {
        setup.stage_layers = {first, 6 - first};
        EXPECT_LE(bound, estimate_step(network, setup, simple_cluster()).total() * (1.0 + 1e-12));
      }
    }
  }
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

TEST(EstimateStep, ShardedGradientsAreReducedForEveryMicroBatch) {
  // 4 bytes a parameter over 8 ranks, two of three micro-batches more than ZeRO 1; nothing is hidden.
  TrainingSetup setup = setup_of({.dp = 8, .edp = 8});
  FrameworkAssumptions framework = kNoOverhead;
  framework.hidden_by_step = 0.0;
  const auto gradients = [&] {
    return estimate_step(dense_network(), setup, simple_cluster(), framework)[StepTerm::kGradients].value();
  };
  const double once = gradients();
  setup.zero_stage = 2;
  const double parameters = held_parameters(dense_network(), setup).dense;
  // Nodes of 4 with 0.1 GB/s a rank, at 0.8.
  EXPECT_NEAR(gradients() - once, 2 * 4 * parameters * 7 / 8 / 0.32e9, 1e-12);
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

TEST(ModelFlopsPerToken, IsSixPerWeightAndTheWholeSquare) {
  // 2 layers of 768 weights and 10 x 8 of the head: 6 each; the square 3 x 2 x 16 positions x 16, 2 layers.
  EXPECT_EQ(model_flops_per_token(dense_network(), 16), Flops(6.0 * (2 * 768 + 80) + 3.0 * 2 * 16 * 16 * 2));
}

}  // namespace
}  // namespace sextant
