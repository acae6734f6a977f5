#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/cluster.h"
#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/fakes/small_cluster.h"

namespace sextant {
namespace {

using testing::HasSubstr;

KernelWork expert_rows(std::int64_t rows) {
  return {.op = Operator::kExpert,
          .pass = Pass::kForward,
          .shape = {.rows = rows, .model_dim = 64, .hidden_dim = 128, .experts = 2, .gated = 1}};
}

CollectiveWork collective(Collective op, const GroupShape& group, double buffer_bytes) {
  return {.op = op, .group = group, .buffer = Bytes(buffer_bytes)};
}

TEST(MeasuredKernel, IsItsOwnMeasurementAtAPointAndLinearBetween) {
  const auto costs = make_cost_model(small_cluster());
  EXPECT_EQ(costs->kernel(expert_rows(64)).time, Seconds(1e-5 + 64e-6));
  EXPECT_EQ(costs->kernel(expert_rows(64)).source, CostSource::kMeasured);
  EXPECT_NEAR(costs->kernel(expert_rows(100)).time.value(), 110e-6, 1e-15);
  EXPECT_NEAR(costs->kernel(expert_rows(100)).low.value(), 0.9 * 110e-6, 1e-15);
  EXPECT_NEAR(costs->kernel(expert_rows(100)).high.value(), 1.2 * 110e-6, 1e-15);
  EXPECT_EQ(costs->kernel(expert_rows(100)).source, CostSource::kInterpolated);
  EXPECT_NEAR(costs->kernel(expert_rows(1000)).time.value(), 1010e-6, 1e-14);
  EXPECT_EQ(costs->kernel(expert_rows(1000)).source, CostSource::kFitted);
  EXPECT_EQ(costs->kernel(expert_rows(0)).time, Seconds(0.0));
}

TEST(MeasuredKernel, OfAnotherShapeComesFromTheFit) {
  Cluster cluster = small_cluster();
  // t = 1 us + 1 ps/FLOP + 10 ps/B; one expert: flops 2 x 10 x 64 x 32 x 3 = 122880,
  // bytes 4 x (64 x 32 x 3 + 10 x (3 x 64 + 3 x 32)) = 36096.
  cluster.kernel_fits.push_back({.op = Operator::kExpert,
                                 .pass = Pass::kForward,
                                 .alpha = Seconds(1e-6),
                                 .gamma = SecondsPerFlop(1e-12),
                                 .beta = SecondsPerByte(1e-11),
                                 .residual = {.median = 0.1, .p90 = 0.25, .max = 0.5, .r_squared = 0.9}});
  KernelWork work = expert_rows(10);
  work.shape.hidden_dim = 32;
  work.shape.experts = 1;
  const CostEstimate estimate = make_cost_model(cluster)->kernel(work);
  const double expected_s = 1e-6 + 122880e-12 + 36096e-11;
  EXPECT_NEAR(estimate.time.value(), expected_s, 1e-15);
  EXPECT_NEAR(estimate.low.value(), 0.75 * expected_s, 1e-15);
  EXPECT_NEAR(estimate.high.value(), 1.25 * expected_s, 1e-15);
  EXPECT_EQ(estimate.source, CostSource::kFitted);
}

TEST(MeasuredKernel, WithoutSeriesAndFitComesFromTheRoofline) {
  // Compute bound: head of 1000 tokens, M 1000, V 1000: 2e9 flops at 1 TFLOP/s = 2 ms.
  const auto costs = make_cost_model(small_cluster());
  const KernelWork head{.op = Operator::kHead, .shape = {.rows = 1000, .model_dim = 1000, .vocabulary = 1000}};
  EXPECT_NEAR(costs->kernel(head).time.value(), 2e-3, 1e-15);
  EXPECT_EQ(costs->kernel(head).source, CostSource::kDatasheet);
  // Memory bound: AdamW on 1e6 elements moves 28 MB at 100 GB/s = 0.28 ms.
  const KernelWork optimizer{.op = Operator::kOptimizer, .shape = {.rows = 1000000}};
  EXPECT_NEAR(costs->kernel(optimizer).time.value(), 0.28e-3, 1e-15);
}

TEST(MeasuredKernel, AnUnmeasuredHalfIsHalfTheBackwardAMeasuredOneItsOwn) {
  Cluster cluster = small_cluster();
  const KernelShape shape = {.model_dim = 64, .hidden_dim = 128, .experts = 2, .gated = 1};
  const auto series = [&](Pass pass, double seconds) {
    const MeasuredPoint point{
        .median = Seconds(seconds), .low = Seconds(seconds), .high = Seconds(seconds), .repeats = 3};
    return KernelSeries{Operator::kExpert, pass, shape, {{64, point}}};
  };
  KernelWork work = expert_rows(64);
  work.pass = Pass::kWeightGradient;
  cluster.kernels.push_back(series(Pass::kBackward, 4e-3));
  EXPECT_EQ(make_cost_model(cluster)->kernel(work).time, Seconds(2e-3));
  EXPECT_EQ(make_cost_model(cluster)->kernel(work).source, CostSource::kFitted);
  cluster.kernels.push_back(series(Pass::kWeightGradient, 1.5e-3));
  EXPECT_EQ(make_cost_model(cluster)->kernel(work).time, Seconds(1.5e-3));
  EXPECT_EQ(make_cost_model(cluster)->kernel(work).source, CostSource::kMeasured);
}

TEST(MeasuredKernel, OfWhichNothingIsKnownIsAModelError) {
  Cluster cluster = small_cluster();
  cluster.device = {};
  const auto costs = make_cost_model(cluster);
  EXPECT_THAT(
      error_text<ModelError>([&] { static_cast<void>(costs->kernel({.op = Operator::kHead, .shape = {.rows = 1}})); }),
      HasSubstr("head forward"));
}

TEST(MeasuredCollective, OneRankOrNoBytesIsFree) {
  const auto costs = make_cost_model(small_cluster());
  for (int op = 0; op < kNumCollectives; ++op) {
    EXPECT_EQ(costs->collective(collective(static_cast<Collective>(op), {}, 1e9)).high, Seconds(0.0));
    EXPECT_EQ(costs->collective(collective(static_cast<Collective>(op), {.nodes = 2}, 0.0)).high, Seconds(0.0));
  }
}

TEST(MeasuredCollective, FollowsItsSeries) {
  const auto costs = make_cost_model(small_cluster());
  const GroupShape pair{.nodes = 2, .ranks_per_node = 1};
  EXPECT_EQ(costs->collective(collective(Collective::kAllToAll, pair, 1e5)).source, CostSource::kMeasured);
  EXPECT_NEAR(costs->collective(collective(Collective::kAllToAll, pair, 1e5)).time.value(), 110e-6, 1e-15);
  EXPECT_NEAR(costs->collective(collective(Collective::kAllToAll, pair, 5e5)).time.value(), 510e-6, 1e-15);
  EXPECT_EQ(costs->collective(collective(Collective::kAllToAll, pair, 5e5)).source, CostSource::kInterpolated);
  EXPECT_NEAR(costs->collective(collective(Collective::kAllToAll, pair, 1e7)).time.value(), 10010e-6, 1e-12);
}

TEST(MeasuredCollective, APublishedLineNeedsNoPoints) {
  Cluster cluster = small_cluster();
  cluster.collectives.push_back(
      {.op = Collective::kAllReduce,
       .group = {.nodes = 2},
       .points = {},
       .line = AlphaBeta{.alpha = Seconds(1e-5), .beta = SecondsPerByte(1e-9), .residual = {.p90 = 0.1}},
       .source = "a paper"});
  const CostEstimate estimate =
      make_cost_model(cluster)->collective(collective(Collective::kAllReduce, {.nodes = 2}, 1e6));
  EXPECT_NEAR(estimate.time.value(), 1.01e-3, 1e-15);
  EXPECT_NEAR(estimate.high.value(), 1.1 * 1.01e-3, 1e-15);
  EXPECT_EQ(estimate.source, CostSource::kFitted);
}

TEST(MeasuredCollective, OfAnUnmeasuredShapeScalesBetaOfTheNearestOne) {
  // 8 ranks in a node: nearest is 4 ranks, alpha 3 us, beta 0.3 ns/B; (7/8) / (3/4) = 7/6.
  const auto costs = make_cost_model(small_cluster());
  const CostEstimate estimate =
      costs->collective(collective(Collective::kAllGather, {.nodes = 1, .ranks_per_node = 8}, 1e5));
  EXPECT_NEAR(estimate.time.value(), 3e-6 + 0.3e-9 * 1e5 * 7.0 / 6.0, 1e-14);
  EXPECT_EQ(estimate.source, CostSource::kFitted);
  // 3 ranks: log2(4/3) = 0.42 is nearer to 4 than log2(3/2) = 0.58 to 2; (2/3) / (3/4) = 8/9.
  EXPECT_NEAR(
      costs->collective(collective(Collective::kAllGather, {.nodes = 1, .ranks_per_node = 3}, 1e5)).time.value(),
      3e-6 + 0.3e-9 * 1e5 * 8.0 / 9.0, 1e-14);
}

TEST(MeasuredCollective, StaysInItsTier) {
  const auto costs = make_cost_model(small_cluster());
  // Across nodes: the all-to-all of two nodes stands in for groups of several ranks a node.
  EXPECT_NEAR(costs->collective(collective(Collective::kAllToAll, {.nodes = 2, .ranks_per_node = 2}, 1e5)).time.value(),
              1e-5 + 1e-9 * 1e5 * (3.0 / 4.0) / (1.0 / 2.0), 1e-14);
  // Within a node nothing is known of all-to-all, across nodes nothing of all-gather.
  EXPECT_THROW(static_cast<void>(costs->collective(collective(Collective::kAllToAll, {.ranks_per_node = 4}, 1e5))),
               ModelError);
  EXPECT_THAT(error_text<ModelError>(
                  [&] { static_cast<void>(costs->collective(collective(Collective::kAllGather, {.nodes = 2}, 1e5))); }),
              HasSubstr("all_gather across nodes"));
}

TEST(MeasuredCollective, NeverDecreasesWithTheBuffer) {
  const auto costs = make_cost_model(small_cluster());
  const CollectiveWork works[] = {collective(Collective::kAllToAll, {.nodes = 2}, 0.0),
                                  collective(Collective::kAllToAll, {.nodes = 2, .ranks_per_node = 4}, 0.0),
                                  collective(Collective::kAllGather, {.ranks_per_node = 8}, 0.0)};
  for (CollectiveWork work : works) {
    Seconds before(0.0);
    for (double buffer_bytes = 0.0; buffer_bytes < 4e6; buffer_bytes += 9973.0) {
      work.buffer = Bytes(buffer_bytes);
      const Seconds time = costs->collective(work).time;
      ASSERT_GE(time, before) << buffer_bytes;
      before = time * (1.0 - 1e-12);
    }
  }
}

TEST(MeasuredCostModel, KnowsTheLaunchLatency) {
  EXPECT_EQ(make_cost_model(small_cluster())->launch_latency(), Seconds(5e-6));
}

TEST(MeasuredCostModel, RefusesASeriesWithoutPointsAndLine) {
  Cluster cluster = small_cluster();
  cluster.collectives[0].points.clear();
  EXPECT_THROW(static_cast<void>(make_cost_model(cluster)), InternalError);
}

// 10 us of waiting on top of the collective alone, whatever its size; none in a group of one rank.
TEST(MeasuredCostModel, SynchronizationIsAddedToEveryCollective) {
  Cluster cluster = small_cluster();
  const CollectiveSeries& series = cluster.collectives.front();
  const CollectiveWork work{series.op, series.group, Bytes(4096.0)};
  const Seconds alone = make_cost_model(cluster)->collective(work).time;
  cluster.synchronization = Seconds(10e-6);
  const auto costs = make_cost_model(cluster);
  EXPECT_NEAR(costs->collective(work).time.value(), alone.value() + 10e-6, 1e-15);
  EXPECT_EQ(costs->collective({series.op, {1, 1}, Bytes(4096.0)}).time, Seconds(0.0));
}

// Shares of 0.2 at 1 KiB and 0.8 at 4 KiB: 0.5 half way on the logarithm, the ends' beyond them.
TEST(MeasuredCostModel, ComputeSharesAreInterpolatedAndWaitingTakesNothing) {
  Cluster cluster = small_cluster();
  CollectiveSeries& series = cluster.collectives.front();
  const MeasuredPoint ms{Seconds(1e-3), Seconds(1e-3), Seconds(1e-3), 3};
  series.points = {{Bytes(1024.0), ms, 0.2}, {Bytes(4096.0), ms, 0.8}};
  const auto share = [&](double bytes) {
    return make_cost_model(cluster)->collective({series.op, series.group, Bytes(bytes)}).compute_share;
  };
  EXPECT_NEAR(share(2048.0), 0.5, 1e-12);
  EXPECT_DOUBLE_EQ(share(16.0), 0.2);
  EXPECT_DOUBLE_EQ(share(4096.0), 0.8);
  EXPECT_DOUBLE_EQ(share(1e6), 0.8);
  cluster.synchronization = Seconds(1e-3);  // half the time is waiting now
  EXPECT_NEAR(share(4096.0), 0.4, 1e-12);
}

TEST(MeasuredCostModel, ContentionHoldsForTheListedPairOnly) {
  Cluster cluster = small_cluster();
  cluster.contention = {
      {.victim = Resource::kCompute, .aggressor = Resource::kIntra, .factor = 1.5, .delay = Seconds(2e-3)}};
  const auto costs = make_cost_model(cluster);
  EXPECT_EQ(costs->slowdown(Resource::kCompute, Resource::kIntra), 1.5);
  EXPECT_EQ(costs->delay(Resource::kCompute, Resource::kIntra), Seconds(2e-3));
  EXPECT_EQ(costs->slowdown(Resource::kIntra, Resource::kCompute), 1.0);
  EXPECT_EQ(costs->delay(Resource::kIntra, Resource::kCompute), Seconds(0.0));
}

}  // namespace
}  // namespace sextant
