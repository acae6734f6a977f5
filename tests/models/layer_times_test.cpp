#include "models/layer_times.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "tests/models/reference_cluster.h"
#include "tests/models/tiny_network.h"

namespace sextant {
namespace {

double of(const StepTerms& terms, StepTerm term) {
  return terms[static_cast<std::size_t>(term)].value();
}

// 32 tokens a rank, ep 8 over two nodes of 4: 64 choices of 8 elements of 2 B, 1024 B.
TrainingSetup over_two_nodes(Dispatch dispatch) {
  return {.degrees = {.dp = 8, .edp = 1, .ep = 8},
          .micro_batch = 2,
          .num_micro_batches = 1,
          .sequence = 16,
          .dispatch = dispatch};
}

double dispatch_of(Dispatch dispatch, const FrameworkAssumptions& framework = no_overhead()) {
  const LayerTimes times =
      layer_times(tiny_moe_network(2, ExpertKind::kGelu), over_two_nodes(dispatch), simple_cluster(), framework);
  return of(times.moe.forward, StepTerm::kDispatch);
}

TEST(LayerTimes, DispatchOfEveryAlgorithmCountedByHand) {
  // Two all-to-alls at 0.9 GB/s inside and 0.08 GB/s between nodes.
  EXPECT_NEAR(dispatch_of(Dispatch::kFlat), 2 * 512 / 0.08e9, 1e-12);  // 3/8 inside meanwhile
  EXPECT_NEAR(dispatch_of(Dispatch::kHierarchical2D), 2 * (768 / 0.9e9 + 512 / 0.08e9), 1e-12);
  EXPECT_NEAR(dispatch_of(Dispatch::kHierarchical1D), 2 * (6144 / 0.9e9 + 2048 / 0.08e9), 1e-12);
  EXPECT_NEAR(dispatch_of(Dispatch::kDeduplicated), 0.6 * 2 * 384 / 0.08e9, 1e-12);  // 1.5 of 2 copies
}

TEST(LayerTimes, MessagesBeyondTheFirstWaitForThePort) {
  // Flat: 4 messages to the other node, one at once: three wait. Two-dimensional: one message.
  FrameworkAssumptions framework = no_overhead();
  framework.messages_at_once = 1;
  framework.message_latency = Seconds(1.0);
  EXPECT_NEAR(dispatch_of(Dispatch::kFlat, framework), 6.0, 1e-3);
  EXPECT_NEAR(dispatch_of(Dispatch::kHierarchical2D, framework), 0.0, 1e-3);
}

TEST(LayerTimes, WeightGradientsAreHalfOfTheBackwardsProducts) {
  const LayerTimes times =
      layer_times(tiny_dense_network(2, ExpertKind::kGelu), {.sequence = 16}, simple_cluster(), no_overhead());
  EXPECT_DOUBLE_EQ(times.dense.weight_gradients.value(), of(times.dense.forward, StepTerm::kProducts));
  EXPECT_DOUBLE_EQ(times.dense.weight_gradients.value(), of(times.dense.backward, StepTerm::kProducts) / 2.0);
  EXPECT_DOUBLE_EQ(times.head.weight_gradients.value(), of(times.head.forward, StepTerm::kHead));
  EXPECT_EQ(times.moe.total(), Seconds(0.0));
}

TEST(BesideOtherDirection, ComputationHidesDispatchAndLendsItMultiprocessors) {
  LayerTimes times;
  add(times.moe.forward, StepTerm::kProducts, Seconds(10.0));
  add(times.moe.forward, StepTerm::kDispatch, Seconds(4.0));
  add(times.moe.backward, StepTerm::kDispatch, Seconds(4.0));
  // 8 of dispatch beside 10: a quarter of the multiprocessors for 8.
  EXPECT_DOUBLE_EQ(beside_other_direction(times, {.dispatch_multiprocessors = 0.25}).moe.total().value(), 12.0);
  // 18 of dispatch beside 10: dispatch is what takes long.
  add(times.moe.backward, StepTerm::kDispatch, Seconds(10.0));
  EXPECT_DOUBLE_EQ(beside_other_direction(times, {.dispatch_multiprocessors = 0.25}).moe.total().value(), 18.0);
}

TEST(BesideOtherDirection, TheHostIsWaitedForAllTheSame) {
  LayerTimes times;
  add(times.moe.forward, StepTerm::kProducts, Seconds(2.0));
  add(times.moe.backward, StepTerm::kDispatch, Seconds(4.0));
  times.moe.host = Seconds(9.0);
  EXPECT_DOUBLE_EQ(beside_other_direction(times, {.dispatch_multiprocessors = 0.25}).moe.total().value(), 9.0);
}

TEST(LayerTimes, SmallMoeLayersWaitForTheHost) {
  // The device would be done at once: 9 s of the host, a third of them in the forward; once more when recomputed.
  FrameworkAssumptions framework = no_overhead();
  framework.host_time_of_moe_layer = Seconds(9.0);
  const Network network = tiny_moe_network(2, ExpertKind::kGelu);
  TrainingSetup setup{.sequence = 16};
  const PassTimes moe = layer_times(network, setup, simple_cluster(), framework).moe;
  EXPECT_NEAR(moe.total().value(), 9.0, 1e-12);
  EXPECT_NEAR(of(moe.forward, StepTerm::kHost), 3.0, 1e-3);
  setup.recompute = Recompute::kFull;
  EXPECT_NEAR(layer_times(network, setup, simple_cluster(), framework).moe.total().value(), 12.0, 1e-12);
}

TEST(LayerTimes, OverlappedTensorParallelTrafficLeavesOnePiece) {
  // tp 2: half of the traffic, or all that takes longer than the products.
  const Network network = tiny_dense_network(2, ExpertKind::kGelu);
  TrainingSetup setup{.degrees = {.tp = 2, .esp = 2}, .micro_batch = 2, .sequence = 16};
  Cluster cluster = simple_cluster();
  const auto dense = [&] { return layer_times(network, setup, cluster, no_overhead()).dense; };
  const PassTimes alone = dense();
  const double traffic = of(alone.forward, StepTerm::kTensorParallel);
  const double products = of(alone.forward, StepTerm::kProducts);
  setup.overlaps_tensor_parallel = true;
  EXPECT_DOUBLE_EQ(of(dense().forward, StepTerm::kTensorParallel), std::max(traffic / 2, traffic - products));
  cluster.reference->intra.bandwidth = BytesPerSecond(1e18);
  setup.overlaps_tensor_parallel = false;
  const double fast = of(dense().forward, StepTerm::kTensorParallel);
  setup.overlaps_tensor_parallel = true;
  EXPECT_DOUBLE_EQ(of(dense().forward, StepTerm::kTensorParallel), fast / 2);
}

TEST(LayerTimes, WithoutSequenceParallelismTheBackwardGathersNothingMore) {
  const Network network = tiny_dense_network(2, ExpertKind::kGelu);
  TrainingSetup setup{.degrees = {.tp = 2, .esp = 2}, .micro_batch = 2, .sequence = 16};
  const auto backward_of_forward = [&] {
    const PassTimes dense = layer_times(network, setup, simple_cluster(), no_overhead()).dense;
    return of(dense.backward, StepTerm::kTensorParallel) / of(dense.forward, StepTerm::kTensorParallel);
  };
  EXPECT_DOUBLE_EQ(backward_of_forward(), 1.5);
  setup.sequence_parallel = false;
  EXPECT_DOUBLE_EQ(backward_of_forward(), 1.0);
}

TEST(RingTime, MovesAllButTheOwnShareThroughThePortsOfANode) {
  const Cluster cluster = simple_cluster();
  EXPECT_EQ(ring_time(cluster, Bytes(100.0), {1, 1}), Seconds(0.0));
  EXPECT_DOUBLE_EQ(ring_time(cluster, Bytes(400.0), {4, 1}).value(), 300.0 / 1e9);
  // 8 ranks, 4 in a node: four ports of 0.1 GB/s, at half of it.
  EXPECT_DOUBLE_EQ(ring_time(cluster, Bytes(800.0), {8, 1}, 0.5).value(), 700.0 / 0.2e9);
  EXPECT_DOUBLE_EQ(ring_time(cluster, Bytes(800.0), {8, 4}).value(), 700.0 / 0.1e9);
}

TEST(AttentionDims, OfLatentAttentionDifferForQueriesAndValues) {
  Network network = tiny_dense_network(1, ExpertKind::kGelu);
  EXPECT_EQ(attention_dims(network).query, 8.0);
  network.mla = MlaShape{.kv_lora_rank = 4, .qk_nope_head_dim = 3, .qk_rope_head_dim = 2, .v_head_dim = 6};
  EXPECT_EQ(attention_dims(network).query, 10.0);
  EXPECT_EQ(attention_dims(network).value, 12.0);
}

TEST(LayerTimes, TheBusiestRankSetsTheTimeOfExpertsAndDispatch) {
  const Network network = tiny_moe_network(2, ExpertKind::kGelu);
  TrainingSetup setup = over_two_nodes(Dispatch::kFlat);
  const PassTimes even = layer_times(network, setup, simple_cluster(), no_overhead()).moe;
  setup.expert_imbalance = 1.5;
  const PassTimes skewed = layer_times(network, setup, simple_cluster(), no_overhead()).moe;
  EXPECT_NEAR(of(skewed.forward, StepTerm::kDispatch), 1.5 * 2 * 512 / 0.08e9, 1e-12);
  // One expert of 8 x 32 twice: half as many rows more of 64, at 2 x 512 flops a row and 1 TFLOP/s.
  EXPECT_NEAR(of(skewed.forward, StepTerm::kProducts) - of(even.forward, StepTerm::kProducts),
              32 * 2.0 * 2 * 8 * 32 / 1e12, 1e-15);
  EXPECT_EQ(of(skewed.forward, StepTerm::kAttention), of(even.forward, StepTerm::kAttention));
}

}  // namespace
}  // namespace sextant
