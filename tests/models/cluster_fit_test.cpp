#include <gtest/gtest.h>

#include "models/cluster.h"
#include "tests/fakes/small_cluster.h"

namespace sextant {
namespace {

TEST(FitCluster, FindsTheLineBehindEverySeries) {
  Cluster cluster = small_cluster();
  fit_cluster(cluster);
  ASSERT_TRUE(cluster.collectives[0].line.has_value());
  EXPECT_NEAR(cluster.collectives[0].line->alpha.value(), 1e-5, 1e-14);
  EXPECT_NEAR(cluster.collectives[0].line->beta.value(), 1e-9, 1e-18);
  EXPECT_LT(cluster.collectives[0].line->residual.max, 1e-9);
}

TEST(FitCluster, FitsOneOperatorAndPassOverAllItsShapes) {
  // Times made from t = 2 us + 5 ps/FLOP + 50 ps/B over two shapes.
  Cluster cluster = small_cluster();
  KernelSeries narrow = cluster.kernels[0];
  narrow.shape.hidden_dim = 32;
  narrow.shape.experts = 5;
  cluster.kernels.push_back(narrow);
  for (KernelSeries& series : cluster.kernels) {
    for (KernelPoint& point : series.points) {
      KernelWork work{.op = series.op, .pass = series.pass, .shape = series.shape};
      work.shape.rows = point.rows;
      const KernelCounts counts = count(work, cluster.element_bytes);
      point.time =
          measured(Seconds(2e-6) + SecondsPerFlop(5e-12) * counts.flops + SecondsPerByte(5e-11) * counts.bytes);
    }
  }
  fit_cluster(cluster);
  ASSERT_EQ(cluster.kernel_fits.size(), 1U);
  const KernelFit& fit = cluster.kernel_fits[0];
  EXPECT_EQ(fit.op, Operator::kExpert);
  EXPECT_EQ(fit.pass, Pass::kForward);
  EXPECT_NEAR(fit.alpha.value(), 2e-6, 1e-12);
  EXPECT_NEAR(fit.gamma.value(), 5e-12, 1e-18);
  EXPECT_NEAR(fit.beta.value(), 5e-11, 1e-17);
}

TEST(FitCluster, LeavesPublishedLinesAloneAndReplacesItsOwn) {
  Cluster cluster = small_cluster();
  const AlphaBeta published{.alpha = Seconds(1.0), .beta = SecondsPerByte(2.0), .residual = {}};
  cluster.collectives.push_back(
      {.op = Collective::kAllReduce, .group = {.nodes = 2}, .points = {}, .line = published, .source = "a paper"});
  cluster.kernel_fits.push_back(
      {.op = Operator::kHead, .pass = Pass::kForward, .alpha = Seconds(7.0), .gamma = {}, .beta = {}, .residual = {}});
  fit_cluster(cluster);
  const Cluster once = cluster;
  fit_cluster(cluster);
  EXPECT_EQ(cluster, once);
  EXPECT_EQ(cluster.collectives.back().line, published);
  EXPECT_EQ(cluster.kernel_fits[0].alpha, Seconds(7.0));
  EXPECT_EQ(cluster.kernel_fits.size(), 2U);
}

}  // namespace
}  // namespace sextant
