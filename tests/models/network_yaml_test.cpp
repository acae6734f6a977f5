// The reading and writing half of models/network.h.
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/network.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/models/small_network.h"

namespace sextant {
namespace {

using testing::HasSubstr;

std::filesystem::path shipped(const std::string& name) {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks" / (name + ".yaml");
}

const char* const kGood = R"(schema: sextant/network@1
name: small
vocabulary: 10
layers: 2
model_dim: 4
heads: 2
kv_heads: 1
head_dim: 2
expert_kind: swiglu
expert_hidden_dim: 6
num_experts: 3
top_k: 2
capacity_factor: 1.25
)";

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const std::size_t at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  return text.replace(at, from.size(), to);
}

struct BadNetwork {
  const char* from;
  const char* to;
  const char* message;
};

TEST(ParseNetwork, NamesPlaceFindingAndWhatIsAllowed) {
  ASSERT_EQ(parse_network(ConfigNode::parse(kGood, "n.yaml")), small_network());
  const BadNetwork cases[] = {
      {"layers: 2", "layer: 2", "n.yaml:4:1: unknown key \"layer\" (did you mean \"layers\"?)"},
      {"layers: 2\n", "", "n.yaml:1:1: missing key \"layers\""},
      {"layers: 2", "layers: 2\nlayers: 3", "n.yaml:5:1: found the key \"layers\" twice"},
      {"layers: 2", "layers: 0", "n.yaml:4:9: layers: found \"0\", expected a whole number in [1, 1024]"},
      {"layers: 2", "layers: 2.5", "n.yaml:4:9: layers: found \"2.5\""},
      {"layers: 2", "layers: 99999999999999999999", "n.yaml:4:9"},
      {"layers: 2", "layers: [2]", "n.yaml:4:9: layers: found a list"},
      {"layers: 2", "layers:", "layers: found nothing"},
      {"heads: 2", "heads: -2", "n.yaml:6:8: heads: found \"-2\""},
      {"kv_heads: 1", "kv_heads: 3", "n.yaml:7:11: kv_heads: 3 does not divide heads 2"},
      {"head_dim: 2", "head_dim: 3", "n.yaml:8:11: head_dim: 3 is odd"},
      {"top_k: 2", "top_k: 4", "n.yaml:12:8: top_k: 4 exceeds num_experts 3"},
      {"swiglu", "relu", "n.yaml:9:14: expert_kind: found \"relu\"; allowed: gelu, swiglu"},
      {"1.25", ".nan", "capacity_factor: found \".nan\""},
      {"1.25", "nan", "capacity_factor: found \"nan\""},
      {"1.25", "-1", "capacity_factor: found \"-1\""},
      {"1.25", "0", "capacity_factor: found \"0\""},
      {"network@1", "network@2", "schema: found \"sextant/network@2\", expected \"sextant/network@1\""},
      {"network@1", "cluster@1", "expected \"sextant/network@1\""},
  };
  for (const BadNetwork& c : cases) {
    const std::string text = replaced(kGood, c.from, c.to);
    const std::string message =
        error_text<ConfigError>([&] { static_cast<void>(parse_network(ConfigNode::parse(text, "n.yaml"))); });
    EXPECT_THAT(message, HasSubstr(c.message)) << text;
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
  }
}

TEST(NetworkToYaml, ReadsBackAsTheSameNetwork) {
  for (const char* name : {"quickstart", "mixtral_8x7b", "gpt2_xl_moe"}) {
    const Network n = load_network(shipped(name));
    EXPECT_EQ(parse_network(ConfigNode::parse(network_to_yaml(n), "text")), n) << name;
  }
  Network odd = small_network();
  odd.name = "a: \"b\" # c\n\\";
  odd.aliases = {"null", "8", "", " x ", "[1, 2]", "é"};
  odd.capacity_factor = 1.1;
  odd.rope_theta = 1.0 + 1e-15;
  EXPECT_EQ(parse_network(ConfigNode::parse(network_to_yaml(odd), "text")), odd);
}

// A network with every part that most lack, and its canonical text.
const char* const kRich = R"(schema: sextant/network@1
name: rich
vocabulary: 10
layers: 4
model_dim: 4
heads: 2
mla: {q_lora_rank: 3, kv_lora_rank: 5, qk_nope_head_dim: 6, qk_rope_head_dim: 2, v_head_dim: 7}
attention_sinks: true
sliding_window: {tokens: 128, full_every: 2}
rope_theta: 10000
expert_kind: swiglu
dense: {layers: [0, 2], hidden_dim: 12}
expert_hidden_dim: 6
num_experts: 6
top_k: 2
capacity_factor: 1.25
aux_loss_coefficient: 0
expert_groups: {count: 3, chosen: 2}
shared_experts: {count: 1, hidden_dim: 5, gate: true}
biases: [attention_output, feed_forward, router, norm]
tied_embeddings: true
mtp_layers: 1
)";

TEST(ParseNetwork, ReadsEveryPartThatMostNetworksLack) {
  const Network n = parse_network(ConfigNode::parse(kRich, "n.yaml"));
  const MlaShape mla{
      .q_lora_rank = 3, .kv_lora_rank = 5, .qk_nope_head_dim = 6, .qk_rope_head_dim = 2, .v_head_dim = 7};
  EXPECT_EQ(n.mla, mla);
  EXPECT_EQ(n.kv_heads, 2);  // as many as query heads
  EXPECT_EQ(n.head_dim, 8);  // 6 + 2
  EXPECT_EQ(n.dense, (DenseLayers{.layers = {0, 2}, .hidden_dim = 12}));
  EXPECT_EQ(n.shared_experts, (SharedExperts{.count = 1, .hidden_dim = 5, .gate = true}));
  EXPECT_EQ(n.expert_groups, (ExpertGroups{.count = 3, .chosen = 2}));
  EXPECT_EQ(n.sliding_window, (SlidingWindow{.tokens = 128, .full_every = 2}));
  EXPECT_EQ(n.biases, (Biases{.attention_output = true, .feed_forward = true, .router = true, .norm = true}));
  EXPECT_TRUE(n.attention_sinks && n.tied_embeddings);
  EXPECT_EQ(n.mtp_layers, 1);
}

TEST(ParseNetwork, RefusesGroupsThatDoNotCutTheExperts) {
  const auto refusal = [](const std::string& groups) {
    std::string text = kRich;
    const std::string good = "{count: 3, chosen: 2}";
    text.replace(text.find(good), good.size(), groups);
    return error_text<ConfigError>([&] { static_cast<void>(parse_network(ConfigNode::parse(text, "n.yaml"))); });
  };
  EXPECT_THAT(refusal("{count: 4, chosen: 2}"), testing::HasSubstr("4 does not divide num_experts 6"));
  EXPECT_THAT(refusal("{count: 3, chosen: 3}"), testing::HasSubstr("3 of 3 groups are no limit"));
  EXPECT_THAT(refusal("{count: 6, chosen: 1}"), testing::HasSubstr("1 groups of 1 experts hold less than top_k 2"));
  EXPECT_THAT(refusal("{count: 3}"), testing::HasSubstr("chosen"));
}

TEST(NetworkToYaml, WritesWhatItRead) {
  EXPECT_EQ(network_to_yaml(parse_network(ConfigNode::parse(kRich, "n.yaml"))), kRich);
}

// Plans and checkpoints know a network by the hash of this text.
TEST(NetworkToYaml, LeavesOutPartsThatANetworkLacks) {
  EXPECT_EQ(network_to_yaml(small_network()),
            replaced(kGood, "capacity_factor: 1.25\n", "capacity_factor: 1.25\naux_loss_coefficient: 0\n")
                .replace(std::string(kGood).find("expert_kind"), 0, "rope_theta: 10000\n"));
}

TEST(NetworkToYaml, KeepsDenseNetworksAndDirectQueriesToo) {
  Network dense = small_network();
  dense.dense = {.layers = {0, 1}, .hidden_dim = 10};
  dense.num_experts = dense.top_k = 0;
  dense.expert_hidden_dim = 0;
  dense.capacity_factor = 1.0;
  dense.qk_norm = QkNorm::kWhole;
  dense.learned_positions = 16;
  dense.biases.query_key_value = true;
  dense.sliding_window = {.tokens = 4};
  EXPECT_EQ(parse_network(ConfigNode::parse(network_to_yaml(dense), "text")), dense);
  Network direct = parse_network(ConfigNode::parse(kRich, "n.yaml"));
  direct.mla->q_lora_rank.reset();
  EXPECT_EQ(parse_network(ConfigNode::parse(network_to_yaml(direct), "text")), direct);
}

TEST(ParseNetwork, ADenseNetworkHasNoKeysOfExperts) {
  const std::string dense = replaced(kGood, "expert_hidden_dim: 6\nnum_experts: 3\ntop_k: 2\ncapacity_factor: 1.25\n",
                                     "dense: {layers: 2, hidden_dim: 6}\n");
  const Network n = parse_network(ConfigNode::parse(dense, "n.yaml"));
  EXPECT_EQ(n.num_experts, 0);
  EXPECT_EQ(num_moe_layers(n), 0);
  const std::string message = error_text<ConfigError>(
      [&] { static_cast<void>(parse_network(ConfigNode::parse(dense + "top_k: 2\n", "n.yaml"))); });
  EXPECT_THAT(message, HasSubstr("n.yaml:11:8: top_k: not allowed where every layer is dense"));
}

TEST(ParseNetwork, NamesWhatIsWrongWithTheRarerParts) {
  const BadNetwork cases[] = {
      {"mla: {q", "kv_heads: 2\nmla: {q", "n.yaml:7:11: kv_heads: not allowed beside mla"},
      {"mla: {q", "qk_norm: whole\nmla: {q", "qk_norm: not allowed beside mla"},
      {"[attention_output", "[query_key_value", "biases: query_key_value is not allowed beside mla"},
      {"qk_rope_head_dim: 2", "qk_rope_head_dim: 3", "qk_rope_head_dim: 3 is odd"},
      {"v_head_dim", "v_dim", "unknown key \"v_dim\" (did you mean"},
      {"[0, 2]", "[2, 0]", "found layer 0 after layer 2; allowed: ascending"},
      {"[0, 2]", "[0, 4]", "found \"4\", expected a whole number in [0, 3]"},
      {"[0, 2]", "[]", "layers: found an empty list"},
      {"[0, 2]", "5", "layers: found \"5\", expected a whole number in [1, 4]"},
      {"router, norm", "gate",
       "found \"gate\"; allowed: query_key_value, attention_output, feed_forward, router, norm"},
      {"full_every: 2", "full_every: 1", "full_every: found \"1\""},
      {"rope_theta", "learned_positions: 8\nrope_theta", "rope_theta: not allowed beside learned_positions"},
      {"gate: true", "gate: 1", "gate: found \"1\", expected true or false"},
      {"top_k: 2\n", "", "missing key \"top_k\""},
  };
  for (const BadNetwork& c : cases) {
    const std::string text = replaced(kRich, c.from, c.to);
    const std::string message =
        error_text<ConfigError>([&] { static_cast<void>(parse_network(ConfigNode::parse(text, "n.yaml"))); });
    EXPECT_THAT(message, HasSubstr(c.message)) << text;
  }
  EXPECT_THAT(error_text<ConfigError>([] {
                const std::string text = replaced(kGood, "head_dim: 2", "head_dim: 2\nqk_norm: none");
                static_cast<void>(parse_network(ConfigNode::parse(text, "n.yaml")));
              }),
              HasSubstr("qk_norm: found \"none\"; allowed: per_head, whole"));
}

TEST(LoadNetwork, NeedsTheSchemaLineThatANestedNetworkMayLeaveOut) {
  const std::string text = replaced(kGood, "schema: sextant/network@1\n", "");
  EXPECT_EQ(parse_network(ConfigNode::parse(text, "plan.yaml")), small_network());
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "network_without_schema.yaml";
  write_file_atomically(path, text);
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(load_network(path)); }),
              HasSubstr("missing key \"schema\""));
}

}  // namespace
}  // namespace sextant
