#include "tools/nccl_tests/nccl_cluster.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/fakes/small_cluster.h"
#include "tests/tools/nccl_tests/nccl_sample.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

const NcclClusterOptions kNamed{.name = "ours", .files = "a.txt"};

std::vector<NcclRun> runs_of(const std::vector<NcclSample>& samples) {
  std::vector<NcclRun> runs;
  for (const NcclSample& sample : samples) runs.push_back(parse_nccl_text(sample_text(sample), "a.txt").front());
  return runs;
}

TEST(ClusterOfNcclRuns, FitsTheLineThatTheTimesFollow) {
  // 20 us + 10 us a MiB: alpha 20 us, beta 10 us / 2^20 B.
  const NcclCluster found = cluster_of_nccl_runs(runs_of({{}}), small_cluster(), kNamed);
  ASSERT_EQ(found.cluster.collectives.size(), 1U);
  const CollectiveSeries& series = found.cluster.collectives.front();
  EXPECT_EQ(series.op, Collective::kAllReduce);
  EXPECT_EQ(series.group, (GroupShape{1, 4}));
  EXPECT_NEAR(series.line->alpha.value(), 20e-6, 1e-9);
  EXPECT_NEAR(series.line->beta.value(), 10e-6 / (1024 * 1024), 1e-15);
  EXPECT_EQ(series.points.size(), 4U);
  EXPECT_EQ(series.points.front().time.repeats, 20);
}

TEST(ClusterOfNcclRuns, SeveralFilesMakeOneCluster) {
  const NcclCluster found = cluster_of_nccl_runs(runs_of({{},
                                                          {.hosts = 2},
                                                          {.test = "alltoall", .hosts = 2},
                                                          {.test = "all_gather", .hosts = 2, .groups = 4},
                                                          {.test = "reduce_scatter"}}),
                                                 small_cluster(), kNamed);
  EXPECT_EQ(found.cluster.topology, (Topology{2, 4}));
  EXPECT_EQ(found.cluster.collectives.size(), 5U);
  EXPECT_THAT(found.warnings, IsEmpty());
  const bool one_rank_a_node = std::ranges::any_of(found.cluster.collectives, [](const CollectiveSeries& series) {
    return series.op == Collective::kAllGather && series.group == GroupShape{2, 1};
  });
  EXPECT_TRUE(one_rank_a_node);
  EXPECT_EQ(found.cluster.machine, "2 x 4 NVIDIA H100 80GB HBM3");
}

TEST(ClusterOfNcclRuns, TimesOfOneSizeBecomeOnePointWithTheirSpread) {
  // 30, 40 and 50 us at 1 MiB: median 40, 10th percentile 30 + 0.2 x 10 = 32, 90th 48.
  const NcclCluster found = cluster_of_nccl_runs(runs_of({{.alpha_us = 20.0}, {.alpha_us = 40.0}, {.alpha_us = 30.0}}),
                                                 small_cluster(), kNamed);
  const MeasuredPoint& point = found.cluster.collectives.front().points.front().time;
  EXPECT_NEAR(point.median.value(), 40e-6, 1e-12);
  EXPECT_NEAR(point.low.value(), 32e-6, 1e-12);
  EXPECT_NEAR(point.high.value(), 48e-6, 1e-12);
  EXPECT_EQ(point.repeats, 60);
}

TEST(ClusterOfNcclRuns, DeviceAndKernelsAreThoseOfTheBase) {
  Cluster base = small_cluster();
  base.contention = {{.victim = Resource::kCompute, .aggressor = Resource::kIntra, .factor = 1.5}};
  base.synchronization = Seconds(1e-3);
  const Cluster cluster = cluster_of_nccl_runs(runs_of({{}}), base, kNamed).cluster;
  EXPECT_EQ(cluster.device, base.device);
  EXPECT_EQ(cluster.kernels, base.kernels);
  EXPECT_EQ(cluster.launch_latency, base.launch_latency);
  EXPECT_TRUE(cluster.contention.empty());
  EXPECT_EQ(cluster.synchronization, Seconds(0.0));
  EXPECT_FALSE(cluster.reference);
  EXPECT_THAT(cluster.source, HasSubstr("measured by nccl-tests (a.txt)"));
  EXPECT_THAT(cluster.source, HasSubstr("device and kernels of small"));
  EXPECT_EQ(parse_cluster(ConfigNode::parse(cluster_to_yaml(cluster), "c.yaml")), cluster);
}

TEST(ClusterOfNcclRuns, WhatNoStepUsesIsLeftOutAndToldAndWhatItNeedsIsMissed) {
  const auto runs = runs_of({{.test = "broadcast"}, {.test = "alltoall"}});
  const auto warnings = cluster_of_nccl_runs(runs, small_cluster(), kNamed).warnings;
  ASSERT_EQ(warnings.size(), 2U);
  EXPECT_THAT(warnings[0], HasSubstr("broadcast is left out"));
  EXPECT_THAT(warnings[1], HasSubstr("no all_gather, no reduce_scatter, no all_reduce"));
  EXPECT_THAT(error_text<ConfigError>([] {
                static_cast<void>(cluster_of_nccl_runs(runs_of({{.test = "broadcast"}}), small_cluster(), kNamed));
              }),
              HasSubstr("a.txt: no collective of a training step"));
}

TEST(ClusterOfDevice, TakesTheLongestNameInTheDevicesNameAndItsMemory) {
  std::vector<Cluster> clusters(3, small_cluster());
  clusters[0].name = "dgx-b200";
  clusters[0].aliases = {"B200"};
  clusters[1].name = "gb200-nvl72";
  clusters[1].aliases = {"GB200"};
  clusters[2].name = "dgx-a100";
  clusters[2].aliases = {"A100", "A100-SXM4-80GB"};
  clusters[2].device.memory = Bytes(80e9);
  EXPECT_EQ(cluster_of_device(clusters, "NVIDIA GB200"), &clusters[1]);
  EXPECT_EQ(cluster_of_device(clusters, "NVIDIA B200"), &clusters[0]);
  EXPECT_EQ(cluster_of_device(clusters, "NVIDIA A100-SXM4-80GB"), &clusters[2]);
  EXPECT_EQ(cluster_of_device(clusters, "NVIDIA A100-SXM4-40GB"), nullptr);
  EXPECT_EQ(cluster_of_device(clusters, "Tesla V100-SXM3-32GB"), nullptr);
}

}  // namespace
}  // namespace sextant
