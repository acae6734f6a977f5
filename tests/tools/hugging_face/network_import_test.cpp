#include "tools/hugging_face/network_import.h"

#include <filesystem>
#include <fstream>
#include <iterator>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using nlohmann::json;
using testing::ElementsAre;
using testing::HasSubstr;

// The published values of configs/NAME.json, written down again for this test.
json published(const std::string& name) {
  std::ifstream file(std::filesystem::path(SEXTANT_SOURCE_DIR) / "tests/tools/hugging_face/configs" / (name + ".json"));
  EXPECT_TRUE(file) << name;
  return json::parse(std::string(std::istreambuf_iterator<char>(file), {}));
}

Network imported(const json& config) {
  return network_from_hugging_face(JsonConfig::parse(config.dump(), "config.json"), {.name = "imported"});
}

std::string import_error(const json& config) {
  return error_text<ConfigError>([&] { static_cast<void>(imported(config)); });
}

// `config` with `key` set to `value`; a JSON null removes nothing but counts as absent.
json changed(json config, const std::string& key, const json& value) {
  config[key] = value;
  return config;
}

class ImportOfAFamily : public testing::TestWithParam<const char*> {};

// The ready files are counted against published totals in tests/validation/networks.
TEST_P(ImportOfAFamily, GivesTheNetworkOfOurReadyFile) {
  const std::filesystem::path ready =
      std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs/networks" / (std::string(GetParam()) + ".yaml");
  Network expected = load_network(ready);
  expected.name = "imported";
  expected.aliases.clear();
  expected.capacity_factor = 1.0;
  Network n = imported(published(GetParam()));
  EXPECT_THAT(n.source, HasSubstr("config.json, model_type"));
  n.source = expected.source;
  EXPECT_EQ(n, expected);
}

INSTANTIATE_TEST_SUITE_P(Families, ImportOfAFamily,
                         testing::Values("mixtral_8x7b", "qwen2_57b_a14b", "qwen3_30b_a3b", "deepseek_v2",
                                         "deepseek_v3_mtp", "olmoe_1b_7b", "gpt_oss_120b", "dbrx", "llama3_8b"),
                         [](const auto& family) { return std::string(family.param); });

TEST(NetworkImport, IntermediateSizeIsAnExpertInMixtralAndADenseLayerInQwen) {
  EXPECT_EQ(imported(published("mixtral_8x7b")).expert_hidden_dim, 14336);
  json qwen = changed(published("qwen3_30b_a3b"), "mlp_only_layers", {0, 5});
  const Network n = imported(qwen);
  EXPECT_EQ(n.expert_hidden_dim, 768);
  EXPECT_EQ(n.dense.hidden_dim, 6144);
  EXPECT_THAT(n.dense.layers, ElementsAre(0, 5));
}

TEST(NetworkImport, AQwenLayerIsSparseAtEveryStepUnlessListed) {
  json qwen = changed(published("qwen2_57b_a14b"), "num_hidden_layers", 6);
  qwen["decoder_sparse_step"] = 2;
  qwen["mlp_only_layers"] = {3};
  EXPECT_THAT(imported(qwen).dense.layers, ElementsAre(0, 2, 3, 4));
}

TEST(NetworkImport, ADeepseekLayerIsSparseAtEveryStepAfterTheFirstDenseOnes) {
  json deepseek = changed(published("deepseek_v2"), "num_hidden_layers", 6);
  deepseek["first_k_dense_replace"] = 2;
  deepseek["moe_layer_freq"] = 2;
  EXPECT_THAT(imported(deepseek).dense.layers, ElementsAre(0, 1, 3, 5));
}

TEST(NetworkImport, QueriesWithoutALatentAreProjectedDirectly) {
  json lite = changed(published("deepseek_v2"), "q_lora_rank", nullptr);
  EXPECT_FALSE(imported(lite).mla->q_lora_rank.has_value());
}

TEST(NetworkImport, GroupsLimitTheRoutersThatChooseAmongThem) {
  EXPECT_EQ(imported(published("deepseek_v3_mtp")).expert_groups, (ExpertGroups{.count = 8, .chosen = 4}));
  EXPECT_EQ(imported(published("deepseek_v2")).expert_groups, (ExpertGroups{.count = 8, .chosen = 3}));
  const json v2 = published("deepseek_v2");
  EXPECT_FALSE(imported(changed(v2, "topk_method", "greedy")).expert_groups.has_value());
  EXPECT_FALSE(imported(changed(v2, "topk_group", 8)).expert_groups.has_value());
  EXPECT_FALSE(imported(changed(v2, "n_group", 1)).expert_groups.has_value());
  EXPECT_THAT(import_error(changed(v2, "n_group", 7)), HasSubstr("n_group"));
  EXPECT_THAT(import_error(changed(v2, "topk_group", 9)), HasSubstr("topk_group"));
}

TEST(NetworkImport, OnlyAuxiliaryLossFreeBalancingHasARouterBias) {
  EXPECT_TRUE(imported(published("deepseek_v3_mtp")).biases.router);
  EXPECT_FALSE(imported(changed(published("deepseek_v3_mtp"), "topk_method", "greedy")).biases.router);
}

TEST(NetworkImport, ANetworkWhoseLayersAreAllDenseHasNoExperts) {
  const Network n = imported(changed(published("qwen2_57b_a14b"), "decoder_sparse_step", 1000));
  EXPECT_EQ(n.num_experts, 0);
  EXPECT_EQ(num_moe_layers(n), 0);
  EXPECT_FALSE(n.shared_experts.has_value());
}

TEST(NetworkImport, EverySpellingOfTheNumberOfExpertsIsUnderstood) {
  json qwen = published("qwen3_30b_a3b");
  qwen.erase("num_experts");
  EXPECT_EQ(imported(changed(qwen, "num_local_experts", 128)).num_experts, 128);
  qwen["n_routed_experts"] = 128;
  EXPECT_THAT(import_error(changed(qwen, "num_local_experts", 64)),
              HasSubstr("config.json: n_routed_experts: found 128 beside num_local_experts 64"));
}

TEST(NetworkImport, RopeThetaIsReadFromOldAndNewFiles) {
  json mixtral = published("mixtral_8x7b");
  mixtral.erase("rope_theta");
  EXPECT_EQ(imported(mixtral).rope_theta, 10000.0);
  mixtral["rope_parameters"] = {{"rope_theta", 500000.0}, {"rope_type", "default"}};
  EXPECT_EQ(imported(mixtral).rope_theta, 500000.0);
}

TEST(NetworkImport, AttentionBiasesFollowTheFamily) {
  const Biases four{.query_key_value = true, .attention_output = true};
  EXPECT_EQ(imported(changed(published("llama3_8b"), "attention_bias", true)).biases, four);
  EXPECT_TRUE(imported(changed(published("llama3_8b"), "mlp_bias", true)).biases.feed_forward);
  EXPECT_EQ(imported(published("qwen2_57b_a14b")).biases, Biases{.query_key_value = true});
  EXPECT_THAT(import_error(changed(published("deepseek_v2"), "attention_bias", true)),
              HasSubstr("attention_bias: found true; allowed: false"));
}

TEST(NetworkImport, LayerTypesBecomeAWindowWithFullAttentionAtEveryNth) {
  json gpt = changed(published("gpt_oss_120b"), "num_hidden_layers", 3);
  const std::string full = "full_attention";
  const std::string sliding = "sliding_attention";
  gpt["layer_types"] = {sliding, sliding, full};
  EXPECT_EQ(imported(gpt).sliding_window, (SlidingWindow{.tokens = 128, .full_every = 3}));
  gpt["layer_types"] = {sliding, sliding, sliding};
  EXPECT_EQ(imported(gpt).sliding_window, (SlidingWindow{.tokens = 128, .full_every = 0}));
  gpt["layer_types"] = {full, full, full};
  EXPECT_EQ(imported(gpt).sliding_window, std::nullopt);
  gpt["layer_types"] = nullptr;
  EXPECT_EQ(imported(gpt).sliding_window, (SlidingWindow{.tokens = 128, .full_every = 2}));
  gpt["layer_types"] = {full, sliding, full};
  EXPECT_THAT(import_error(gpt), HasSubstr("layer_types: found another order; allowed: 3 entries"));
  EXPECT_EQ(imported(changed(published("mixtral_8x7b"), "sliding_window", 4096)).sliding_window,
            SlidingWindow{.tokens = 4096});
}

TEST(NetworkImport, TheCapacityFactorIsThatOfABalancedRouterUnlessGiven) {
  const JsonConfig config = JsonConfig::parse(published("mixtral_8x7b").dump(), "config.json");
  EXPECT_EQ(network_from_hugging_face(config, {.name = "n"}).capacity_factor, 1.0);
  EXPECT_EQ(network_from_hugging_face(config, {.name = "n", .capacity_factor = 1.5}).capacity_factor, 1.5);
}

TEST(NetworkImport, HeadsWithoutADimShareTheHiddenSize) {
  json qwen = published("qwen3_30b_a3b");
  qwen.erase("head_dim");
  EXPECT_EQ(imported(qwen).head_dim, 64);  // 2048 / 32
  qwen["hidden_size"] = 2050;
  EXPECT_THAT(import_error(qwen), HasSubstr("hidden_size: found 2050; allowed without head_dim: a multiple of the 32"));
  json gpt = published("gpt_oss_120b");  // its heads are wider than hidden_size / heads
  gpt.erase("head_dim");
  EXPECT_THAT(import_error(gpt), HasSubstr("config.json: head_dim: missing"));
}

TEST(NetworkImport, NamesFileKeyFindingAndWhatIsAllowed) {
  const json mixtral = published("mixtral_8x7b");
  EXPECT_EQ(import_error(changed(mixtral, "model_type", "bert")),
            "config.json: model_type: found \"bert\"; allowed: mixtral, qwen2_moe, qwen3_moe, deepseek_v2, "
            "deepseek_v3, olmoe, gpt_oss, dbrx, llama");
  EXPECT_THAT(import_error(changed(mixtral, "model_type", nullptr)),
              HasSubstr("model_type: missing; allowed: mixtral"));
  EXPECT_EQ(import_error(changed(mixtral, "hidden_size", "4096")),
            "config.json: hidden_size: found \"4096\"; allowed: a whole number in [1, 262144]");
  EXPECT_THAT(import_error(changed(mixtral, "num_key_value_heads", 5)),
              HasSubstr("num_key_value_heads: found 5; allowed: a divisor of the 32 query heads"));
  EXPECT_THAT(import_error(changed(mixtral, "num_experts_per_tok", 9)),
              HasSubstr("num_experts_per_tok: found 9; allowed: at most num_local_experts 8"));
  EXPECT_THAT(import_error(changed(mixtral, "hidden_act", "gelu")), HasSubstr("found \"gelu\"; allowed: silu"));
  EXPECT_THAT(import_error(changed(mixtral, "num_local_experts", nullptr)), HasSubstr("num_local_experts: missing"));
  EXPECT_THAT(import_error(changed(published("dbrx"), "attn_config", {{"kv_n_heads", 7}})),
              HasSubstr("config.json: attn_config.kv_n_heads: found 7"));
  EXPECT_THAT(import_error(changed(published("qwen3_30b_a3b"), "use_sliding_window", true)),
              HasSubstr("use_sliding_window: found true; allowed: false"));
  EXPECT_THAT(import_error(changed(published("deepseek_v3_mtp"), "first_k_dense_replace", nullptr)),
              HasSubstr("first_k_dense_replace: missing"));
  EXPECT_THAT(import_error(changed(published("deepseek_v2"), "qk_rope_head_dim", 63)), HasSubstr("63 is odd"));
}

}  // namespace
}  // namespace sextant
