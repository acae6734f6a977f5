#include "planner/setup_search.h"

#include <cmath>
#include <cstdio>
#include <numeric>
#include <string>

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/setup_case.h"

namespace sextant {
namespace {

// The larger jobs are in tests/validation/setup_space.
TEST(SearchSetups, FindsWhatEnumerationFinds) {
  for (const SetupCase& c : {SetupCase{"mixtral_8x7b", "dgx_h100", {2, 8}}, SetupCase{"olmoe_1b_7b", "h800", {1, 4}},
                             SetupCase{"llama3_8b", "dgx_h100", {3, 8}}}) {
    expect_search_finds_what_enumeration_finds(c);
  }
}

TEST(SearchSetups, OverlapCanBeFixed) {
  SetupRequest request = request_for("mixtral_8x22b", {16, 8}, 256);
  const Cluster cluster = cluster_of("dgx_h100");
  const Seconds best = search_setups(request, cluster).setups.at(0).estimate.total();
  for (const Overlap overlap : {Overlap::kNone, Overlap::kChunks, Overlap::kMicroBatches}) {
    request.overlap = overlap;
    const SetupResult result = search_setups(request, cluster);
    ASSERT_FALSE(result.setups.empty()) << to_text(overlap);
    EXPECT_EQ(result.setups.front().setup.overlap, overlap);
    EXPECT_GE(result.setups.front().estimate.total(), best);
    EXPECT_EQ(result.setups.front().estimate.hidden > Seconds(0.0), overlap != Overlap::kNone);
  }
  request.overlap = std::nullopt;
  request.forward_degree = 3;  // none of those searched
  const TrainingSetup three = search_setups(request, cluster).setups.at(0).setup;
  EXPECT_EQ(three.overlap, Overlap::kChunks);
  EXPECT_EQ(three.forward_degree, 3);
}

TEST(SearchSetups, TwoMicroBatchesNeedTwoAndNoFullRecomputation) {
  // 16 devices, 16 samples: dp 16 has one micro-batch. DualPipe pairs them too, whatever is recomputed.
  const Cluster cluster = cluster_of("dgx_h100");
  SetupRequest request = request_for("olmoe_1b_7b", {2, 8}, 16);
  request.overlap = Overlap::kMicroBatches;
  request.pp = 1;
  request.dp = 16;
  EXPECT_EQ(search_setups(request, cluster).summary.setups, 0);
  request.dp = 8;
  request.top = 3;
  const SetupResult found = search_setups(request, cluster);
  ASSERT_FALSE(found.setups.empty());
  for (const FoundSetup& setup : found.setups) EXPECT_NE(setup.setup.recompute, Recompute::kFull);
  request.recompute = Recompute::kFull;
  EXPECT_EQ(search_setups(request, cluster).summary.setups, 0);
  request = request_for("mixtral_8x7b", {2, 8}, 192);
  request.pp = 2;
  request.overlap = Overlap::kMicroBatches;
  request.recompute = Recompute::kFull;
  EXPECT_EQ(search_setups(request, cluster).setups.at(0).setup.pipeline, PipelineSchedule::kDualPipe);
}

TEST(SearchSetups, ChunksWithoutAnythingToCutAreNone) {
  // One chunk hides nothing but shared experts, and experts on one rank exchange nothing.
  const Cluster cluster = cluster_of("dgx_h100");
  SetupRequest request = request_for("mixtral_8x7b", {2, 8}, 64);
  request.overlap = Overlap::kChunks;
  request.forward_degree = request.backward_degree = 1;
  EXPECT_EQ(search_setups(request, cluster).summary.setups, 0);
  request = request_for("mixtral_8x7b", {2, 8}, 64);
  request.overlap = Overlap::kChunks;
  request.ep = request.esp = 1;
  EXPECT_EQ(search_setups(request, cluster).summary.setups, 0);
}

TEST(SearchSetups, RefusesChunksThatCannotBe) {
  const Cluster cluster = cluster_of("dgx_h100");
  SetupRequest request = request_for("mixtral_8x7b", {2, 8}, 64);
  request.backward_degree = 0;
  EXPECT_THROW(static_cast<void>(search_setups(request, cluster)), ConfigError);
  request.backward_degree = 2;
  request.overlap = Overlap::kNone;
  EXPECT_THROW(static_cast<void>(search_setups(request, cluster)), ConfigError);
}

TEST(SearchSetups, AnyNumberOfThreadsGivesTheSameAnswer) {
  SetupRequest request = request_for("mixtral_8x22b", {16, 8}, 256);
  request.top = 10;
  const Cluster cluster = cluster_of("dgx_h100");
  request.threads = 1;
  const SetupResult one = search_setups(request, cluster);
  for (const int threads : {2, 5}) {
    request.threads = threads;
    const SetupResult many = search_setups(request, cluster);
    ASSERT_EQ(many.setups.size(), one.setups.size());
    for (std::size_t i = 0; i < one.setups.size(); ++i) EXPECT_EQ(many.setups[i].setup, one.setups[i].setup);
  }
}

TEST(SearchFasterSetup, FindsTheFastestOrNothing) {
  const Cluster cluster = cluster_of("dgx_h100");
  for (const SetupRequest& request : {request_for("mixtral_8x7b", {2, 8}, 64), request_for("llama3_8b", {1, 8}, 32)}) {
    const FoundSetup fastest = search_setups(request, cluster).setups.at(0);
    const Seconds time = fastest.estimate.total();
    EXPECT_FALSE(search_faster_setup(request, cluster, time));
    const auto found = search_faster_setup(request, cluster, 1.0001 * time);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->setup, fastest.setup);
    EXPECT_EQ(found->estimate.total(), time);
  }
}

TEST(SearchSetups, EverySetupFitsAndUsesAllDevices) {
  SetupRequest request = request_for("mixtral_8x22b", {16, 8}, 256);
  request.top = 20;
  const Cluster cluster = cluster_of("dgx_h100");
  for (const FoundSetup& found : search_setups(request, cluster).setups) {
    EXPECT_EQ(found.setup.world_size(), 128);
    EXPECT_EQ(found.setup.global_batch(), 256);
    const ParallelDegrees& d = found.setup.degrees;
    EXPECT_EQ(d.pp * d.edp * d.ep * d.esp, 128);
    EXPECT_LE(found.memory.total(), cluster.device.memory);
  }
}

TEST(SearchSetups, FixedDegreesStay) {
  SetupRequest request = request_for("mixtral_8x7b", {2, 8}, 64);
  request.tp = 2;
  request.ep = 4;
  request.top = 5;
  for (const FoundSetup& found : search_setups(request, cluster_of("dgx_h100")).setups) {
    EXPECT_EQ(found.setup.degrees.tp, 2);
    EXPECT_EQ(found.setup.degrees.ep, 4);
  }
}

TEST(SearchSetups, EveryScheduleOfPipelinesCanBeAskedFor) {
  SetupRequest request = request_for("mixtral_8x22b", {16, 8}, 256);
  const Cluster cluster = cluster_of("dgx_h100");
  const Seconds best = search_setups(request, cluster).setups.front().estimate.total();
  request.pp = 8;
  for (const PipelineSchedule schedule :
       {PipelineSchedule::k1F1B, PipelineSchedule::kZeroBubble, PipelineSchedule::kDualPipe}) {
    request.pipeline = schedule;
    const SetupResult result = search_setups(request, cluster);
    ASSERT_FALSE(result.setups.empty()) << to_text(schedule);
    EXPECT_EQ(result.setups.front().setup.pipeline, schedule);
    EXPECT_GE(result.setups.front().estimate.total(), best);
  }
}

TEST(SearchSetups, LayersThatStagesDoNotDivideAreSplitUnevenly) {
  // 56 layers on 16 stages: some have four, the last, with the head, no more than others.
  SetupRequest request = request_for("mixtral_8x22b", {16, 8}, 256);
  request.pp = 16;
  const SetupResult result = search_setups(request, cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  const std::vector<int> stages = stage_layers(request.network, result.setups.front().setup);
  EXPECT_EQ(std::accumulate(stages.begin(), stages.end(), 0), 56);
  EXPECT_LE(stages.back(), stages.front());
}

TEST(SearchSetups, LittleMemoryTakesMoreOfZero) {
  // ep 8: 7.3e9 parameters of 2 and 4 bytes and half of 12 bytes of most take 78 GB, with half the gradients 61 GB.
  SetupRequest request = request_for("mixtral_8x7b", {2, 8}, 64);
  Cluster cluster = cluster_of("dgx_h100");
  cluster.device.memory = Bytes(74e9);
  request.pp = 1;
  request.tp = 1;
  const SetupResult result = search_setups(request, cluster);
  ASSERT_FALSE(result.setups.empty());
  EXPECT_GE(result.setups.front().setup.zero_stage, 2);
}

TEST(SearchSetups, RecomputationCanBeFixedForAllStages) {
  SetupRequest request = request_for("qwen3_235b_a22b", {8, 8}, 256);
  request.top = 3;
  const Cluster cluster = cluster_of("dgx_h100");
  const Seconds best = search_setups(request, cluster).setups.at(0).estimate.total();
  for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
    request.recompute = recompute;
    for (const FoundSetup& found : search_setups(request, cluster).setups) {
      EXPECT_EQ(found.setup.recompute, recompute);
      EXPECT_TRUE(found.setup.stage_recompute.empty());
      EXPECT_GE(found.estimate.total(), best);
    }
  }
}

TEST(SearchSetups, WhatFitsNowhereNamesTheNearestMiss) {
  // 671 billion parameters on 8 devices of 80 GB.
  const SetupResult result = search_setups(request_for("deepseek_v3", {1, 8}, 64), cluster_of("dgx_h100"));
  EXPECT_TRUE(result.setups.empty());
  ASSERT_TRUE(result.summary.nearest_miss);
  EXPECT_GT(result.summary.nearest_miss->memory.total(), Bytes(80e9));
}

TEST(SearchSetups, AWorseBalanceTakesLongerAndIsCarriedIntoTheSetup) {
  SetupRequest request = request_for("mixtral_8x7b", {4, 8}, 256);
  request.ep = 8;
  const Cluster cluster = cluster_of("dgx_h100");
  Seconds before;
  for (const double balance : {1.0, 1.3, 2.0}) {
    request.balance = balance;
    const FoundSetup found = search_setups(request, cluster).setups.at(0);
    EXPECT_EQ(found.setup.expert_imbalance, balance);
    EXPECT_GT(found.estimate.total(), before);
    EXPECT_LE(found.memory.total(), cluster.device.memory);
    before = found.estimate.total();
  }
  for (const double none : {0.5, -1.0, std::nan("")}) {
    request.balance = none;
    EXPECT_THROW(static_cast<void>(search_setups(request, cluster)), ConfigError);
  }
}

TEST(SearchSetups, RoutingLimitsNeverSlowAStepDown) {
  SetupRequest request = request_for("deepseek_v3", {64, 8}, 4096);
  const Cluster cluster = cluster_of("dgx_h100");
  const Seconds limited = search_setups(request, cluster).setups.at(0).estimate.total();
  request.network.expert_groups.reset();
  EXPECT_LE(limited, search_setups(request, cluster).setups.at(0).estimate.total());
}

TEST(SearchSetups, RefusesAnEmptyBatch) {
  EXPECT_THROW(static_cast<void>(search_setups(request_for("mixtral_8x7b", {1, 8}, 0), cluster_of("dgx_h100"))),
               ConfigError);
}

// ---- shapes off the beaten track: each is answered, and answered as enumeration does ----

SetupResult checked_search(const SetupRequest& request, const Cluster& cluster) {
  SetupResult result = search_setups(request, cluster);
  const SetupResult whole = search_setups_by_enumeration(request, cluster);
  EXPECT_EQ(result.setups.size(), whole.setups.size());
  const int devices = request.topology.num_ranks();
  for (std::size_t i = 0; i < result.setups.size(); ++i) {
    const ParallelDegrees& d = result.setups[i].setup.degrees;
    EXPECT_EQ(result.setups[i].setup, whole.setups[i].setup);
    EXPECT_EQ(d.pp * d.dp * d.cp * d.tp, devices);
    EXPECT_EQ(d.pp * d.edp * d.ep * d.esp, devices);
    EXPECT_EQ(result.setups[i].setup.global_batch(), request.global_batch);
    EXPECT_LE(result.setups[i].memory.total(), cluster.device.memory);
  }
  return result;
}

TEST(SearchSetups, PrimeDeviceCountsAreCutByLayersReplicasOrNotAtAll) {
  // 13 devices: 13 divides neither heads (16), sequence (4096) nor experts (64), so it is pp (of 16 layers) or dp.
  for (const std::int64_t batch : {std::int64_t{64}, std::int64_t{26}}) {
    SetupRequest request = request_for("olmoe_1b_7b", {1, 13}, batch);
    request.top = 3;
    const SetupResult result = checked_search(request, cluster_of("dgx_h100"));
    ASSERT_FALSE(result.setups.empty());
    for (const FoundSetup& found : result.setups) {
      const ParallelDegrees& d = found.setup.degrees;
      EXPECT_EQ(d.tp * d.cp * d.ep * d.esp, 1);
      EXPECT_EQ(d.dp, batch % 13 == 0 && d.pp == 1 ? 13 : 1);
    }
  }
  // 37 exceeds the layers and divides nothing.
  const SetupResult none = checked_search(request_for("olmoe_1b_7b", {37, 1}, 64), cluster_of("dgx_h100"));
  EXPECT_TRUE(none.setups.empty());
  EXPECT_EQ(none.summary.setups, 0);
}

TEST(SearchSetups, OneDeviceHasDegreesOfOne) {
  const SetupResult result = checked_search(request_for("quickstart", {1, 1}, 7), cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  EXPECT_EQ(result.setups.front().setup.degrees, ParallelDegrees{});
  EXPECT_EQ(result.setups.front().setup.micro_batch, 1);  // 2, 4, 8 and 16 do not divide 7
}

TEST(SearchSetups, ExpertsMayBeSpreadWithoutTensorParallelism) {
  SetupRequest request = request_for("mixtral_8x7b", {2, 8}, 64);
  request.tp = 1;
  request.ep = 8;
  const SetupResult result = checked_search(request, cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  const ParallelDegrees& d = result.setups.front().setup.degrees;
  EXPECT_EQ(d.tp, 1);
  EXPECT_EQ(d.ep, 8);
  EXPECT_EQ(d.esp, 1);  // esp is at most tp
}

TEST(SearchSetups, OneLayerIsNoPipeline) {
  SetupRequest request = request_for("quickstart", {2, 4}, 16);
  request.network.layers = 1;
  const SetupResult result = checked_search(request, cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  EXPECT_EQ(result.setups.front().setup.degrees.pp, 1);
  EXPECT_EQ(result.setups.front().setup.virtual_stages, 1);
}

TEST(SearchSetups, ExpertsThatTheDevicesDoNotDivideStayWhole) {
  SetupRequest request = request_for("quickstart", {2, 4}, 16);
  request.network.num_experts = 7;  // 8 devices: ep 7 would leave one over
  request.top = 20;
  const SetupResult result = checked_search(request, cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  for (const FoundSetup& found : result.setups) EXPECT_EQ(found.setup.degrees.ep, 1);
  request.ep = 7;
  EXPECT_EQ(checked_search(request, cluster_of("dgx_h100")).summary.setups, 0);
}

TEST(SearchSetups, RefusesMoreRanksThanAnyClusterHas) {
  EXPECT_THROW(
      static_cast<void>(search_setups(request_for("quickstart", {1 << 20, 1 << 20}, 1 << 30), cluster_of("dgx_h100"))),
      ConfigError);
}

TEST(SearchSetups, TheLargestRequestsAreAnsweredAtOnce) {
  // 2^24 devices and 2^30 samples of 2^30 tokens: bounded by the divisors, not by the numbers.
  SetupRequest request = request_for("quickstart", {1 << 12, 1 << 12}, 1 << 30);
  request.sequence = 1 << 30;
  const SetupResult result = search_setups(request, cluster_of("dgx_h100"));
  EXPECT_TRUE(!result.setups.empty() || result.summary.nearest_miss);
}

// 1,024 small dense layers and one micro-batch of 16 samples on 16 nodes of 16 A100: hundreds of stages, of which few
// have room to spare. It took over a minute.
TEST(SearchSetups, AThousandLayersAreSplitAtOnce) {
  SetupRequest request;
  request.network = {.name = "deep",
                     .vocabulary = 65538,
                     .layers = 1024,
                     .model_dim = 64,
                     .heads = 16,
                     .kv_heads = 16,
                     .head_dim = 32,
                     .dense = {.layers = {}, .hidden_dim = 64}};
  for (int l = 0; l < 1024; ++l) request.network.dense.layers.push_back(l);
  request.topology = {.nodes = 16, .devices_per_node = 16};
  request.global_batch = 64;
  request.sequence = 128;
  request.dp = 1;
  request.micro_batch = 16;
  const Cluster cluster = cluster_of("dgx_a100");
  const SetupResult fast = search_setups(request, cluster);
  const SetupResult whole = search_setups_by_enumeration(request, cluster);
  ASSERT_FALSE(fast.setups.empty());
  EXPECT_EQ(fast.setups.front().setup, whole.setups.front().setup);
  EXPECT_LT(fast.summary.search_time, Seconds(5.0));
}

// Sixteen times the layers of Mixtral-8x22B: little memory on many stages, each with a recomputation of its own.
TEST(SearchSetups, ManyStagesShortOfMemoryAreSplit) {
  SetupRequest request = request_for("mixtral_8x22b", {128, 8}, 1024);
  request.network.layers = 960;
  request.pp = 64;
  const SetupResult result = search_setups(request, cluster_of("dgx_h100"));
  ASSERT_FALSE(result.setups.empty());
  const TrainingSetup& best = result.setups.front().setup;
  EXPECT_EQ(result.lower_bound(), result.setups.front().estimate.total());
  const std::vector<int> stages = stage_layers(request.network, best);
  EXPECT_EQ(std::accumulate(stages.begin(), stages.end(), 0), 960);
}

TEST(SearchSetups, WhatCannotFitIsToldAtOnceWithTheNearestMiss) {
  SetupRequest request = request_for("deepseek_v3", {4, 8}, 256);
  request.network.layers = 960;
  const Cluster cluster = cluster_of("dgx_h100");
  const SetupResult fast = search_setups(request, cluster);
  EXPECT_TRUE(fast.setups.empty());
  EXPECT_EQ(fast.summary.too_large, fast.summary.setups);
  // The same miss as pricing all, in a part of the space.
  request.tp = 8;
  request.pp = 4;
  const SetupResult part = search_setups(request, cluster);
  const SetupResult whole = search_setups_by_enumeration(request, cluster);
  ASSERT_TRUE(part.summary.nearest_miss.has_value());
  EXPECT_EQ(part.summary.too_large, whole.summary.too_large);
  EXPECT_EQ(part.summary.nearest_miss->setup, whole.summary.nearest_miss.value().setup);
}

}  // namespace
}  // namespace sextant
