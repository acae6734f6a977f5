#include "tools/profile_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

Cluster example_cluster() {
  Cluster cluster;
  cluster.name = "bench";
  cluster.topology = {.nodes = 2, .devices_per_node = 4};
  cluster.backend = "mpi";
  cluster.machine = "a processor, 8 cores";
  CollectiveSeries series{.op = Collective::kAllToAll, .group = {.nodes = 2, .ranks_per_node = 1}};
  series.points.push_back({.buffer = Bytes(1e6), .time = {.median = Seconds(1e-3)}});
  series.line = AlphaBeta{.alpha = Seconds(2e-6), .beta = SecondsPerByte(1e-9), .residual = {.median = 0.125}};
  cluster.collectives.push_back(series);
  KernelFit fit{.op = Operator::kExpert, .pass = Pass::kBackward};
  fit.gamma = SecondsPerFlop(1.0 / 40e9);
  cluster.kernel_fits.push_back(fit);
  return cluster;
}

TEST(ProfileTable, ShowsRatesWithUnitsAndResiduals) {
  // 1 MB in 1 ms is 1 GB/s; gamma 1/40e9 s/flop is 40 GFLOP/s
  const std::string table = profile_table(example_cluster());
  EXPECT_THAT(table, HasSubstr("bench: 2 nodes x 4 ranks, back end mpi"));
  EXPECT_THAT(table, HasSubstr(to_text(BytesPerSecond(1e9))));
  EXPECT_THAT(table, HasSubstr(to_text(FlopsPerSecond(40e9))));
  EXPECT_THAT(table, HasSubstr("12.5 %"));
}

TEST(ProfileTable, AFitWithoutAFlopTermHasNoRate) {
  Cluster cluster = example_cluster();
  cluster.kernel_fits[0].gamma = SecondsPerFlop(0.0);
  EXPECT_THAT(profile_table(cluster), ::testing::ContainsRegex("expert +backward +0 s +- "));
}

TEST(ProfileJson, IsOneObjectInSiUnits) {
  const json parsed = json::parse(profile_json(example_cluster(), "out/cluster.yaml"));
  EXPECT_EQ(parsed.at("cluster_file"), "out/cluster.yaml");
  EXPECT_EQ(parsed.at("nodes"), 2);
  EXPECT_EQ(parsed.at("collectives").at(0).at("beta_s_per_byte"), 1e-9);
  EXPECT_EQ(parsed.at("kernels").at(0).at("pass"), "backward");
}

}  // namespace
}  // namespace sextant
