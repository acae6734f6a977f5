#include "tools/setup_table.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

using ::testing::HasSubstr;

const std::string kConfigs = SEXTANT_SOURCE_DIR "/configs/";

SetupRequest request(const char* network, int nodes) {
  SetupRequest request;
  request.network = load_network(kConfigs + "networks/" + network + ".yaml");
  request.global_batch = 256;
  request.sequence = 4096;
  request.topology = {.nodes = nodes, .devices_per_node = 8};
  request.top = 3;
  return request;
}

const Cluster& cluster() {
  static const Cluster h100 = load_cluster(kConfigs + "clusters/dgx_h100.yaml");
  return h100;
}

TEST(SetupTable, EveryRunnerUpNamesTheTermThatDecides) {
  const SetupRequest asked = request("mixtral_8x22b", 16);
  SetupResult result = search_setups(asked, cluster());
  ASSERT_EQ(result.setups.size(), 3U);
  SetupRequest narrow = asked;
  narrow.tp = 8;
  result.setups.push_back(search_setups(narrow, cluster()).setups.at(0));
  const std::string table = setup_table(asked, cluster(), result);
  EXPECT_THAT(table, HasSubstr(to_text(result.setups[0].setup)));
  EXPECT_THAT(table,
              testing::ContainsRegex("slower than the first by \\+.* exposed tensor parallel on the intra tier"));
  EXPECT_THAT(table, HasSubstr("most overhead: "));
  EXPECT_THAT(table, HasSubstr("rank grid: "));
  EXPECT_THAT(setup_summary(result.summary), HasSubstr("pruned"));
}

TEST(SetupTable, SaysWhatChunksHide) {
  SetupRequest asked = request("mixtral_8x22b", 16);
  asked.overlap = Overlap::kChunks;
  asked.forward_degree = 2;
  asked.backward_degree = 4;
  asked.top = 1;
  const SetupResult result = search_setups(asked, cluster());
  EXPECT_THAT(setup_table(asked, cluster(), result),
              testing::ContainsRegex("hides .* of dispatch behind the experts, in 2 chunks forward and 4 chunks back"));
  const auto json = nlohmann::json::parse(setup_result_json(asked, cluster(), result));
  EXPECT_EQ(json["overlap"], "chunks");
  EXPECT_EQ(json["r_fwd"], 2);
  EXPECT_EQ(json["r_bwd"], 4);
  EXPECT_EQ(json["hidden_dispatch_s"], result.setups.front().estimate.hidden.value());
}

TEST(SetupAssumptions, NameWhatBindsTheBalanceAndEveryDefault) {
  const SetupRequest asked = request("mixtral_8x22b", 16);
  const SetupResult result = search_setups(asked, cluster());
  const std::string text = setup_assumptions(asked, cluster(), result, {{"nodes", "16", "cluster file"}});
  for (const char* part : {"what binds: ", "balance assumed: every expert", "inherited, cluster file: nodes 16",
                           "fused attention yes", "overhead of a step 20 ms", "fragmentation 0.03"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
}

TEST(SetupJson, HasEverythingThatProgramsNeed) {
  const SetupRequest asked = request("mixtral_8x22b", 16);
  const SetupResult result = search_setups(asked, cluster());
  const auto json = nlohmann::json::parse(setup_result_json(asked, cluster(), result));
  for (const char* key : {"status",
                          "layout",
                          "micro_batch",
                          "schedule",
                          "r_fwd",
                          "r_bwd",
                          "overlap",
                          "hidden_dispatch_s",
                          "step_time_s",
                          "step_time_interval_s",
                          "lower_bound_s",
                          "optimality_gap",
                          "peak_memory_bytes",
                          "tokens_per_s_per_device",
                          "mfu",
                          "search",
                          "executable_why",
                          "rank_grid",
                          "explanation",
                          "binding_constraint",
                          "balance",
                          "balance_assumed",
                          "inherited"}) {
    EXPECT_TRUE(json.contains(key)) << key;
  }
  EXPECT_EQ(json["alternatives"].size(), 2U);
  double sum = 0.0;
  for (const auto& term : json["terms_s"]) sum += term.get<double>();
  EXPECT_NEAR(sum, json["step_time_s"].get<double>(), 1e-9);
  // Tokens of a step over its time and devices.
  EXPECT_NEAR(json["tokens_per_s_per_device"].get<double>(), 256.0 * 4096 / json["step_time_s"].get<double>() / 128,
              1e-6);
}

TEST(InfeasibleSetups, NameTheTermThatBrokeIt) {
  const SetupRequest large = request("deepseek_v3", 1);
  const std::string text = infeasible_setups_text(large, cluster(), search_setups(large, cluster()));
  EXPECT_THAT(text, HasSubstr("memory"));
  EXPECT_THAT(text, HasSubstr("most by"));
  SetupRequest odd = request("mixtral_8x7b", 1);
  odd.tp = 3;
  EXPECT_THAT(infeasible_setups_text(odd, cluster(), search_setups(odd, cluster())), HasSubstr("no degrees divide"));
}

}  // namespace
}  // namespace sextant
