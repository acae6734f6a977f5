#include "models/cluster.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/fakes/small_cluster.h"

namespace sextant {
namespace {

using testing::HasSubstr;

Cluster rich_cluster() {
  Cluster cluster = small_cluster();
  cluster.aliases = {"A", "a b: c"};
  cluster.collectives.push_back(
      {.op = Collective::kAllReduce,
       .group = {.nodes = 2, .ranks_per_node = 4},
       .points = {},
       .line =
           AlphaBeta{.alpha = Seconds(0.51136532051e-3), .beta = SecondsPerByte(4.9511764052e-9 / 4.0), .residual = {}},
       .source = "FSMoE, testbed A"});
  cluster.kernels.push_back({.op = Operator::kOptimizer,
                             .pass = Pass::kForward,
                             .shape = {},
                             .points = {{.rows = 12345, .time = measured(Seconds(1.0 / 3.0))}}});
  cluster.kernels.back().points.front().time.source = "refitted from run a: \"b\" of 2026-01-01";
  cluster.collectives.front().points.back().time.source = "scaled, refitted from run a";
  fit_cluster(cluster);
  return cluster;
}

TEST(ClusterToYaml, ReadsBackToTheLastBit) {
  const Cluster cluster = rich_cluster();
  EXPECT_EQ(parse_cluster(ConfigNode::parse(cluster_to_yaml(cluster), "text")), cluster);
}

TEST(ClusterToYaml, IsAFixedPointSoThatHashesHold) {
  const std::string once = cluster_to_yaml(rich_cluster());
  EXPECT_EQ(cluster_to_yaml(parse_cluster(ConfigNode::parse(once, "text"))), once);
}

TEST(ClusterToYaml, WritesOnePointALineWithUnits) {
  Cluster cluster = small_cluster();
  cluster.collectives[0].points = {
      {.buffer = Bytes(65536.0),
       .time = {.median = Seconds(1.2e-3), .low = Seconds(1.1e-3), .high = Seconds(1.5e-3), .repeats = 20}}};
  const std::string text = cluster_to_yaml(cluster);
  EXPECT_THAT(text, HasSubstr("\n  - op: all_to_all\n    group: {nodes: 2, ranks_per_node: 1}\n    points:\n"
                              "      - {buffer: 64 KiB, median: 1.2 ms, low: 1.1 ms, high: 1.5 ms, repeats: 20}\n"));
  EXPECT_THAT(text, HasSubstr("shape: {model_dim: 64, hidden_dim: 128, experts: 2, gated: 1}"));
  EXPECT_THAT(text, HasSubstr("device: {peak: 1 TFLOP/s, memory_bandwidth: 100 GB/s, memory: "));
}

TEST(LoadCluster, ReadsAFile) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "cluster_test.yaml";
  write_file_atomically(path, cluster_to_yaml(rich_cluster()));
  EXPECT_EQ(load_cluster(path), rich_cluster());
}

TEST(LoadCluster, OfAnEmptyMeasurementHoldsNoSeries) {
  Cluster cluster = small_cluster();
  cluster.collectives.clear();
  cluster.kernels.clear();
  EXPECT_EQ(parse_cluster(ConfigNode::parse(cluster_to_yaml(cluster), "text")), cluster);
}

const char* const kGood = R"(schema: sextant/cluster@1
name: c
source: s
topology: {nodes: 1, devices_per_node: 2}
backend: local
machine: m
date: 2025-01-18
element_bytes: 4
device: {peak: 1 TFLOP/s, memory_bandwidth: 10 GB/s, memory: 1 GiB}
launch_latency: 5 us
collectives:
  - op: all_gather
    group: {nodes: 1, ranks_per_node: 2}
    points:
      - {buffer: 1 KiB, median: 2 us, low: 1 us, high: 3 us, repeats: 5}
      - {buffer: 2 KiB, median: 3 us, low: 2 us, high: 4 us, repeats: 5}
kernels:
  - op: expert
    pass: forward
    shape: {model_dim: 8, hidden_dim: 16, experts: 2}
    points: [{rows: 4, median: 2 us, low: 1 us, high: 3 us, repeats: 5}]
kernel_fits:
  - {op: expert, pass: forward, alpha: 1 us, gamma: 1 s/TFLOP, beta: 1 ns/B}
)";

struct BadCluster {
  const char* from;
  const char* to;
  const char* message;
};

TEST(ParseCluster, NamesPlaceFindingAndWhatIsAllowed) {
  ASSERT_NO_THROW(static_cast<void>(parse_cluster(ConfigNode::parse(kGood, "c.yaml"))));
  const BadCluster cases[] = {
      {"cluster@1", "cluster@7", "c.yaml:1:9: schema: found \"sextant/cluster@7\""},
      {"backend", "back_end", "c.yaml:5:1: unknown key \"back_end\" (did you mean \"backend\"?)"},
      {"5 us\n", "5\n", "c.yaml:10:17: launch_latency: \"5\" has no unit"},
      {"10 GB/s", "10 Gigabytes", "c.yaml:9:45: memory_bandwidth: \"10 Gigabytes\" has the unknown unit"},
      {"10 GB/s", "0 GB/s", "memory_bandwidth: found zero"},
      {"1 TFLOP/s", "-1 TFLOP/s", "peak: \"-1 TFLOP/s\" is negative"},
      {"1 TFLOP/s", "0 TFLOP/s", "peak: found zero"},
      {"nodes: 1, devices_per_node: 2", "nodes: 0, devices_per_node: 2", "c.yaml:4:19: nodes: found \"0\""},
      {"nodes: 1, devices_per_node: 2", "nodes: 65536, devices_per_node: 65536", "more than 2^24 ranks"},
      {"all_gather", "allgather",
       "op: found \"allgather\"; allowed: all_to_all, all_gather, reduce_scatter, all_reduce"},
      {"ranks_per_node: 2}", "ranks_per_node: 1}", "group: has 1 ranks; allowed: 2"},
      {"buffer: 1 KiB", "buffer: 0 KiB", "buffer: found zero"},
      {"buffer: 2 KiB", "buffer: 1 KiB", "c.yaml:16:18: buffer: is not above the one before"},
      {"median: 2 us, low: 1 us", "median: 0 us, low: 0 us", "median: found zero"},
      {"median: 2 us, low: 1 us", "median: 2 us, low: 2.5 us", "low: exceeds median"},
      {"median: 2 us, low: 1 us, high: 3 us", "median: 2 us, low: 1 us, high: 1 us", "high: is below median"},
      {"repeats: 5", "repeats: 0", "repeats: found \"0\""},
      {"median: 2 us", "median: nan us", "median: \"nan us\" is not finite"},
      {"pass: forward\n", "pass: sideways\n", "pass: found \"sideways\"; allowed: forward, backward"},
      {"hidden_dim: 16", "hidden: 16", "unknown key \"hidden\""},
      {"points: [{rows: 4, median: 2 us, low: 1 us, high: 3 us, repeats: 5}]", "points: []", "at least one point"},
      {"rows: 4", "rows: 0", "rows: found \"0\""},
      {"gamma: 1 s/TFLOP", "gamma: 1 s/TB", "gamma: \"1 s/TB\" has the unknown unit"},
      {"kernel_fits:\n", "kernel_fits:\n  - {op: expert, pass: forward, alpha: 1 us, gamma: 1 s/TFLOP, beta: 1 ns/B}\n",
       "c.yaml:24:5: stands twice"},
  };
  for (const BadCluster& c : cases) {
    std::string text = kGood;
    const std::size_t at = text.find(c.from);
    ASSERT_NE(at, std::string::npos) << c.from;
    text.replace(at, std::string(c.from).size(), c.to);
    EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(parse_cluster(ConfigNode::parse(text, "c.yaml"))); }),
                HasSubstr(c.message))
        << text;
  }
}

TEST(ParseCluster, RefusesACollectiveWithoutPointsAndLine) {
  std::string text = kGood;
  const std::size_t begin = text.find("    points:\n");
  text.erase(begin, text.find("kernels:\n") - begin);
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(parse_cluster(ConfigNode::parse(text, "c.yaml"))); }),
              HasSubstr("has neither points nor a line"));
}

TEST(ClusterFile, KeepsSynchronizationAndContention) {
  Cluster cluster = small_cluster();
  cluster.synchronization = Seconds(1.25e-3);
  cluster.contention = {
      {.victim = Resource::kIntra, .aggressor = Resource::kCompute, .factor = 1.75, .delay = Seconds(3e-3)},
      {.victim = Resource::kCompute, .aggressor = Resource::kInter, .factor = 1.0}};
  const std::string text = cluster_to_yaml(cluster);
  const Cluster read = parse_cluster(ConfigNode::parse(text, "c.yaml"));
  EXPECT_EQ(read, cluster);
  EXPECT_EQ(cluster_to_yaml(read), text);
}

}  // namespace
}  // namespace sextant
