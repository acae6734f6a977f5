#include "models/layer_times.h"

#include <algorithm>
#include <string>

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

TEST(AsScheduled, PassesThatRunAloneHideNothing) {
  // One of four micro-batches runs alone, 10 + 4 + 4 s; three take 12 beside another: 8 hidden, of which 2 are lost.
  LayerTimes times;
  add(times.moe.forward, StepTerm::kProducts, Seconds(10.0));
  add(times.moe.forward, StepTerm::kDispatch, Seconds(4.0));
  add(times.moe.backward, StepTerm::kDispatch, Seconds(4.0));
  const FrameworkAssumptions quarter{.dispatch_multiprocessors = 0.25};
  TrainingSetup setup{.num_micro_batches = 4};
  EXPECT_EQ(as_scheduled(times, setup, quarter).moe.total(), Seconds(18.0));
  setup.overlap = Overlap::kMicroBatches;
  const PassTimes mean = as_scheduled(times, setup, quarter).moe;
  EXPECT_DOUBLE_EQ(mean.total().value(), (18.0 + 3 * 12.0) / 4);
  EXPECT_DOUBLE_EQ(mean.hidden.value(), 3 * 6.0 / 4);
  EXPECT_DOUBLE_EQ(of(mean.forward, StepTerm::kProducts), 10.0);
}

// ---- chunks ----

constexpr double kUnit = 16.384e-9;  // s

// As over_two_nodes(kFlat): the experts of a forward, 64 rows of 8 x 32 twice at 1 TFLOP/s, take 65.536 ns, 4 units; an
// all-to-all, 512 B at 0.8 of this bandwidth, 2 units. Links inside a node take no time.
Cluster cluster_of_units() {
  Cluster cluster = simple_cluster();
  cluster.reference->intra.bandwidth = BytesPerSecond(1e18);
  cluster.reference->inter.bandwidth = BytesPerSecond(512.0 / (2.0 * kUnit) / 0.8);
  return cluster;
}

TrainingSetup in_chunks(int forward, int backward) {
  TrainingSetup setup = over_two_nodes(Dispatch::kFlat);
  setup.overlap = Overlap::kChunks;
  setup.forward_degree = forward;
  setup.backward_degree = backward;
  return setup;
}

FrameworkAssumptions no_slow_down() {
  FrameworkAssumptions framework = no_overhead();
  framework.dispatch_multiprocessors = 0.0;
  return framework;
}

PassTimes chunked_layer(const TrainingSetup& setup, const Cluster& cluster, const FrameworkAssumptions& framework) {
  return layer_times(tiny_moe_network(2, ExpertKind::kGelu), setup, cluster, framework).moe;
}

TEST(LayerTimes, ChunksHideDispatchUnderTheExperts) {
  // Forward in 2: a 1, e 2 units: 2 a + 2 e = 6, of it 4 computation. Backward in 4: a 1.5 x 2 / 4 = 0.75, e 2 x 4 / 4:
  // 2 a + 4 e = 9.5, of it 8. In one chunk each nothing is hidden: 4 and 6.
  const PassTimes one = chunked_layer(in_chunks(1, 1), cluster_of_units(), no_slow_down());
  const PassTimes many = chunked_layer(in_chunks(2, 4), cluster_of_units(), no_slow_down());
  EXPECT_NEAR(of(one.forward, StepTerm::kDispatch), 4 * kUnit, 1e-15);
  EXPECT_NEAR(of(one.backward, StepTerm::kDispatch), 6 * kUnit, 1e-15);
  EXPECT_NEAR(one.hidden.value(), 0.0, 1e-15);
  EXPECT_NEAR(of(many.forward, StepTerm::kDispatch), 2 * kUnit, 1e-15);
  EXPECT_NEAR(of(many.backward, StepTerm::kDispatch), 1.5 * kUnit, 1e-15);
  EXPECT_NEAR(many.hidden.value(), 6.5 * kUnit, 1e-15);
  EXPECT_NEAR((many.total() + many.hidden).value(), one.total().value(), 1e-15);
}

TEST(LayerTimes, HiddenDispatchTakesMultiprocessorsFromTheExperts) {
  // Forward in 2: 2 of 4 units hidden, a quarter of which the experts take longer.
  FrameworkAssumptions framework = no_overhead();
  framework.dispatch_multiprocessors = 0.25;
  const PassTimes layer = chunked_layer(in_chunks(2, 1), cluster_of_units(), framework);
  EXPECT_NEAR(of(layer.forward, StepTerm::kDispatch), 2.5 * kUnit, 1e-15);
  EXPECT_NEAR(layer.hidden.value(), 1.5 * kUnit, 1e-15);
}

TEST(LayerTimes, EveryChunkPaysTheStartOfItsCollectivesAndKernels) {
  // 3 s an all-to-all and 1 s a product: of r chunks 2 x 3 r of dispatch, which the last r - 1 products of 2 s hide as
  // far as they go: 4 chunks: 2 r a = 24 > 2 a + r e = 14; 24 - 8 are exposed. Backward 4.5 s and 2 x 2 s:
  // 36 and 9 + 16: 36 - 16.
  Cluster cluster = cluster_of_units();
  cluster.reference->inter.latency = Seconds(3.0);
  cluster.reference->kernel_latency = Seconds(1.0);
  const PassTimes layer = chunked_layer(in_chunks(4, 4), cluster, no_slow_down());
  EXPECT_NEAR(of(layer.forward, StepTerm::kDispatch), 16.0, 1e-6);
  EXPECT_NEAR(of(layer.backward, StepTerm::kDispatch), 20.0, 1e-6);
  const PassTimes one = chunked_layer(in_chunks(1, 1), cluster, no_slow_down());
  EXPECT_NEAR(of(layer.forward, StepTerm::kProducts) - of(one.forward, StepTerm::kProducts), 3 * 2.0, 1e-6);
  EXPECT_NEAR(of(layer.backward, StepTerm::kProducts) - of(one.backward, StepTerm::kProducts), 3 * 4.0, 1e-6);
  EXPECT_NEAR((layer.weight_gradients - one.weight_gradients).value(), 3 * 2.0, 1e-6);
}

TEST(LayerTimes, ProductsOfFewRowsAreLessEfficient) {
  // Half of the peak at 64 rows, a third at 32: 4 units become 8, in two chunks 12.
  Cluster cluster = cluster_of_units();
  cluster.reference->half_rows = 64.0;
  const PassTimes one = chunked_layer(in_chunks(1, 1), cluster, no_slow_down());
  const PassTimes two = chunked_layer(in_chunks(2, 1), cluster, no_slow_down());
  EXPECT_NEAR(of(two.forward, StepTerm::kProducts) - of(one.forward, StepTerm::kProducts), 4 * kUnit, 1e-15);
}

TEST(LayerTimes, EveryChunkMoreStartsASixthOfTheKernelsAgain) {
  // 3 chunks forward, 2 backward: half of 3 chunks more, 9 s x (1 + 1/4).
  FrameworkAssumptions framework = no_overhead();
  framework.host_time_of_moe_layer = Seconds(9.0);
  EXPECT_NEAR(chunked_layer(in_chunks(3, 2), simple_cluster(), framework).total().value(), 11.25, 1e-12);
}

TEST(LayerTimes, ChunksOverlapWholeDeduplicatedDispatch) {
  // 384 of 1024 B instead of 512, and all of it: 1.5 units an all-to-all, none of the 0.6.
  TrainingSetup setup = in_chunks(1, 1);
  setup.dispatch = Dispatch::kDeduplicated;
  const PassTimes layer = chunked_layer(setup, cluster_of_units(), no_slow_down());
  EXPECT_NEAR(of(layer.forward, StepTerm::kDispatch), 3 * kUnit, 1e-15);
}

TEST(LayerTimes, SharedExpertsHideDispatchOfOneChunk) {
  // A shared expert of 32 on all 32 tokens: half of the routed ones' 4 units. It takes all of the first dispatch.
  Network network = tiny_moe_network(2, ExpertKind::kGelu);
  network.shared_experts = SharedExperts{.count = 1, .hidden_dim = 32};
  const PassTimes layer = layer_times(network, in_chunks(1, 1), cluster_of_units(), no_slow_down()).moe;
  EXPECT_NEAR(of(layer.forward, StepTerm::kDispatch), 2 * kUnit, 1e-15);
  EXPECT_NEAR(layer.hidden.value(), (2 + 3) * kUnit, 1e-15);
}

// esp 4 fills a node, ep 2 has a rank in either: 16 choices of 16 B, of them 128 B between nodes; 1024 B gathered.
TEST(LayerTimes, DispatchBetweenNodesRunsBesideGatheringInside) {
  // r 2: a 0.8 us, g = s 0.384 us: 2 r a + g + s = 3.968 us.
  TrainingSetup setup = in_chunks(2, 1);
  setup.degrees = {.dp = 2, .tp = 4, .ep = 2, .esp = 4};
  const PassTimes layer = chunked_layer(setup, simple_cluster(), no_slow_down());
  setup.overlap = Overlap::kNone;
  const PassTimes none = chunked_layer(setup, simple_cluster(), no_slow_down());
  const double experts = 4 * 2 * 2.0 * 16 * 8 * 8 / 1e12;  // 4 experts with 16 rows, 8 x 8 twice
  const double exposed = of(layer.forward, StepTerm::kDispatch) + of(layer.forward, StepTerm::kExpertShard);
  EXPECT_NEAR(of(none.forward, StepTerm::kDispatch), 3.2e-6, 1e-15);
  EXPECT_NEAR(of(none.forward, StepTerm::kExpertShard), 1.536e-6, 1e-15);
  EXPECT_NEAR(exposed, 3.968e-6 - experts, 1e-12);
  EXPECT_NEAR(of(layer.forward, StepTerm::kDispatch) / exposed, 3.2 / 4.736, 1e-12);
}

TEST(LayerTimes, NoChunksTakeLessThanTheLeastCosts) {
  const std::string configs = SEXTANT_SOURCE_DIR "/configs/";
  const Cluster cluster = load_cluster(configs + "clusters/dgx_h100.yaml");
  for (const char* name : {"mixtral_8x22b", "deepseek_v3", "qwen3_30b_a3b"}) {
    const Network network = load_network(configs + "networks/" + name + ".yaml");
    for (const ParallelDegrees& degrees :
         {ParallelDegrees{.dp = 8, .ep = 8}, ParallelDegrees{.dp = 64, .edp = 8, .ep = 8},
          ParallelDegrees{.dp = 32, .tp = 2, .ep = 32, .esp = 2},
          ParallelDegrees{.dp = 8, .tp = 8, .ep = 8, .esp = 8}}) {
      for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
        TrainingSetup setup{.degrees = degrees, .sequence = 4096, .recompute = recompute, .overlap = Overlap::kChunks};
        const PassTimes least = layer_times(network, setup, cluster, {}, ChunkCosts::kLeast).moe;
        for (const int forward : {1, 2, 4, 16}) {
          for (const int backward : {1, 2, 8}) {
            setup.forward_degree = forward;
            setup.backward_degree = backward;
            const PassTimes real = layer_times(network, setup, cluster).moe;
            EXPECT_GE(real.total(), least.total() * (1.0 - 1e-12)) << name << " " << to_text(setup);
            EXPECT_GE(real.weight_gradients, least.weight_gradients) << name << " " << to_text(setup);
          }
        }
      }
    }
  }
}

}  // namespace
}  // namespace sextant
