#include "models/cluster_correction.h"

#include <gtest/gtest.h>

#include "models/yaml_io.h"
#include "tests/fakes/small_cluster.h"

namespace sextant {
namespace {

MeasuredPoint from_run(Seconds time) {
  return {.median = time, .low = 0.5 * time, .high = 2.0 * time, .repeats = 16, .source = "refitted from run a of b"};
}

// Of small_cluster(): 10 us + 1 us a row, at 16, 64 and 256 rows.
KernelWork expert(std::int64_t rows) {
  return {.op = Operator::kExpert,
          .pass = Pass::kForward,
          .shape = {.rows = rows, .model_dim = 64, .hidden_dim = 128, .experts = 2, .gated = 1}};
}

// Of small_cluster(): 10 us + 1 ns a byte, at 10, 100 and 1000 kB.
CollectiveWork all_to_all(double buffer_bytes) {
  return {.op = Collective::kAllToAll, .group = {.nodes = 2, .ranks_per_node = 1}, .buffer = Bytes(buffer_bytes)};
}

Seconds price(const Cluster& cluster, const Work& work) {
  return make_cost_model(cluster)->cost(work).time;
}

TEST(Corrected, WithoutCorrectionsIsTheVerySame) {
  Cluster cluster = small_cluster();
  fit_cluster(cluster);
  EXPECT_EQ(corrected(cluster, {}), cluster);
}

TEST(Corrected, APointIsReplacedAndTheOthersOfItsSeriesMoveAlong) {
  // 64 rows: 74 us -> 111 us, a ratio of 1.5; 256 rows: 266 us -> 399 us.
  Cluster cluster = small_cluster();
  const Cluster result = corrected(cluster, {.kernels = {{expert(64), from_run(Seconds(111e-6))}}});
  EXPECT_DOUBLE_EQ(price(result, expert(64)).value(), 111e-6);
  EXPECT_DOUBLE_EQ(price(result, expert(256)).value(), 399e-6);
  const std::vector<KernelPoint>& points = result.kernels.front().points;
  ASSERT_EQ(points.size(), 3U);
  EXPECT_EQ(points[1].time, from_run(Seconds(111e-6)));
  EXPECT_EQ(points[2].time.source, "scaled, refitted from run a of b");
  EXPECT_DOUBLE_EQ(points[2].time.high.value(), 1.2 * 399e-6);
  EXPECT_EQ(result.collectives.front().points, cluster.collectives.front().points);
}

TEST(Corrected, ASizeBetweenPointsIsAdded) {
  // 128 rows cost 74 + 64 = 138 us, now 276 us.
  const Cluster result = corrected(small_cluster(), {.kernels = {{expert(128), from_run(Seconds(276e-6))}}});
  ASSERT_EQ(result.kernels.front().points.size(), 4U);
  EXPECT_EQ(result.kernels.front().points[2].rows, 128);
  EXPECT_DOUBLE_EQ(price(result, expert(128)).value(), 276e-6);
}

TEST(Corrected, BetweenTwoCorrectionsTheRatioGoesFromOneToTheOther) {
  // Ratio 1 at 16 rows and 2 at 256: at 64, half-way in doublings, 1.5 x 74 us = 111 us.
  const Cluster result = corrected(
      small_cluster(), {.kernels = {{expert(256), from_run(Seconds(532e-6))}, {expert(16), from_run(Seconds(26e-6))}}});
  EXPECT_DOUBLE_EQ(price(result, expert(64)).value(), 111e-6);
}

TEST(Corrected, WorkWithoutASeriesKeepsItsShape) {
  // No series of the backward: by the fit, 20 us + 2 us a row (2 x model_dim x hidden_dim x 3 products x 2 experts x
  // 2).
  Cluster cluster = small_cluster();
  fit_cluster(cluster);
  KernelWork backward = expert(100);
  backward.pass = Pass::kBackward;
  KernelWork more = backward;
  more.shape.rows = 200;
  const Seconds before = price(cluster, backward);
  const double growth = price(cluster, more) / before;
  const Cluster result = corrected(cluster, {.kernels = {{backward, from_run(2.0 * before)}}});
  EXPECT_DOUBLE_EQ(price(result, backward) / before, 2.0);
  EXPECT_DOUBLE_EQ(price(result, more) / price(result, backward), growth);
}

TEST(Corrected, HalvesOfABackwardMoveWithTheWhole) {
  // The whole at 64 rows from 74 to 111 us: half a backward of 74 us too; the forward stays.
  Cluster cluster = small_cluster();
  for (const Pass pass : {Pass::kBackward, Pass::kWeightGradient}) {
    cluster.kernels.push_back(cluster.kernels.front());
    cluster.kernels.back().pass = pass;
  }
  KernelWork backward = expert(64), half = expert(64);
  backward.pass = Pass::kBackward;
  half.pass = Pass::kWeightGradient;
  const Cluster result = corrected(cluster, {.kernels = {{backward, from_run(Seconds(111e-6))}}});
  EXPECT_DOUBLE_EQ(price(result, half).value(), 111e-6);
  EXPECT_EQ(result.kernels[2].points[1].time.source, "scaled, refitted from run a of b");
  EXPECT_EQ(result.kernels[0], cluster.kernels[0]);
}

TEST(Corrected, NewSeriesReadBackWhateverTheSizes) {
  // A quarter of 2 rows and half of 1 are one row, which stands once.
  Cluster cluster = small_cluster();
  fit_cluster(cluster);
  ClusterCorrections corrections;
  for (const std::int64_t rows : {2, 1, 4, 64, 128}) {
    KernelWork backward = expert(rows);
    backward.pass = Pass::kBackward;
    corrections.kernels.push_back({backward, from_run(2.0 * price(cluster, backward))});
  }
  const Cluster result = corrected(cluster, corrections);
  EXPECT_EQ(result.kernels.back().points.front().rows, 1);
  EXPECT_EQ(parse_cluster(ConfigNode::parse(cluster_to_yaml(result), "text")), result);
}

TEST(Corrected, APublishedFitStays) {
  Cluster cluster = small_cluster();
  cluster.kernel_fits = {
      {.op = Operator::kExpert, .pass = Pass::kForward, .alpha = Seconds(1e-6), .source = "a published table"}};
  const Cluster result = corrected(cluster, {.kernels = {{expert(64), from_run(Seconds(111e-6))}}});
  EXPECT_EQ(result.kernel_fits.front(), cluster.kernel_fits.front());
}

TEST(Corrected, ASlowerCollectiveTakesTheSameOfTheComputeInAll) {
  // 100 kB: 110 us with a share of 0.5 -> 220 us with 0.25. Waiting is no part of a point.
  Cluster cluster = small_cluster();
  for (CollectivePoint& point : cluster.collectives.front().points) point.compute_share = 0.5;
  cluster.synchronization = Seconds(1.0);
  const Cluster result = corrected(cluster, {.collectives = {{all_to_all(1e5), from_run(Seconds(220e-6))}}});
  const CollectivePoint& point = result.collectives.front().points[1];
  EXPECT_EQ(point.time, from_run(Seconds(220e-6)));
  EXPECT_DOUBLE_EQ(point.compute_share, 0.25);
  EXPECT_DOUBLE_EQ(price(result, all_to_all(1e5)).value(), 1.00022);
  // The line is fitted again: twice 10 us + 1 ns a byte.
  EXPECT_NEAR(result.collectives.front().line->beta.value(), 2e-9, 1e-12);
}

TEST(Corrected, SharedNumbersAreReplacedOrAdded) {
  Cluster cluster = small_cluster();
  cluster.contention = {
      {.victim = Resource::kInter, .aggressor = Resource::kCompute, .factor = 1.5, .delay = Seconds(1e-3)}};
  cluster.collectives.front().points[0].compute_share = 0.4;
  cluster.collectives.front().points[1].compute_share = 0.8;
  const Cluster result =
      corrected(cluster, {.synchronization = Seconds(2e-3),
                          .launch_latency = Seconds(3e-3),
                          .contention = {{.victim = Resource::kInter, .aggressor = Resource::kCompute, .factor = 2.0},
                                         {.victim = Resource::kIntra, .aggressor = Resource::kCompute, .factor = 3.0}},
                          .compute_share_factor = 2.0});
  EXPECT_EQ(result.synchronization, Seconds(2e-3));
  EXPECT_EQ(result.launch_latency, Seconds(3e-3));
  ASSERT_EQ(result.contention.size(), 2U);
  EXPECT_EQ(result.contention[0].factor, 2.0);
  EXPECT_EQ(result.contention[0].delay, Seconds(1e-3));
  EXPECT_EQ(result.contention[1].factor, 3.0);
  EXPECT_DOUBLE_EQ(result.collectives.front().points[0].compute_share, 0.8);
  EXPECT_EQ(result.collectives.front().points[1].compute_share, 1.0);  // 1.6, but there is no more than all
}

}  // namespace
}  // namespace sextant
