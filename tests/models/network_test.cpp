#include "models/network.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;

std::filesystem::path shipped(const std::string& name) {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks" / (name + ".yaml");
}

Network small_network() {
  return {.name = "small",
          .vocabulary = 10,
          .layers = 2,
          .model_dim = 4,
          .heads = 2,
          .kv_heads = 1,
          .head_dim = 2,
          .expert_kind = ExpertKind::kSwiglu,
          .expert_hidden_dim = 6,
          .num_experts = 3,
          .top_k = 2,
          .capacity_factor = 1.25};
}

TEST(NetworkParameters, OfASmallNetworkCountedByHand) {
  const Network n = small_network();
  // Wq 4x4, Wk 4x2, Wv 4x2, Wo 4x4
  EXPECT_EQ(attention_parameters(n), 16 + 8 + 8 + 16);
  // two norms of 4, gate 4x3
  EXPECT_EQ(replicated_layer_parameters(n), 8 + 12);
  // W1 4x6, W3 4x6, W2 6x4
  EXPECT_EQ(expert_parameters(n), 72);
  // embedding 40, layers 2 x (48 + 20 + 3 x 72), final norm 4, output matrix 40
  EXPECT_EQ(total_parameters(n), 40 + 2 * (48 + 20 + 216) + 4 + 40);
  // two of the three experts
  EXPECT_EQ(active_parameters(n), 40 + 2 * (48 + 20 + 144) + 4 + 40);
}

TEST(NetworkParameters, AGeluExpertHasTwoMatrices) {
  Network n = small_network();
  n.expert_kind = ExpertKind::kGelu;
  EXPECT_EQ(expert_parameters(n), 48);
}

TEST(NetworkParameters, Mixtral8x7bHas46Point7BillionOfWhich12Point9Act) {
  // Published: 46.7 B in total, 12.9 B per token (Jiang et al., Mixtral of Experts, 2024).
  const Network n = load_network(shipped("mixtral_8x7b"));
  // 2 x 32000 x 4096 + 4096 + 32 x (41943040 + 2 x 4096 + 4096 x 8 + 8 x 3 x 4096 x 14336)
  EXPECT_EQ(total_parameters(n), 46702792704);
  EXPECT_EQ(active_parameters(n), 12879925248);
}

TEST(NetworkParameters, Gpt2XlMoeReducesThreeSquaresOfTheModelDimALayer) {
  // FSMoE Table 2: the measured gradient all-reduce of GPT2-XL-MoE is that of 3 M^2 elements a layer.
  const Network n = load_network(shipped("gpt2_xl_moe"));
  EXPECT_EQ(attention_parameters(n), 3 * n.model_dim * n.model_dim);
}

TEST(LoadNetwork, QuickstartDividesByFourTensorRanksAndEightExpertRanks) {
  const Network n = load_network(shipped("quickstart"));
  EXPECT_EQ(n.vocabulary, 256);
  EXPECT_EQ(n.heads * n.head_dim, n.model_dim);
  EXPECT_EQ(n.heads % 4, 0);
  EXPECT_EQ(n.kv_heads % 4, 0);
  EXPECT_EQ(n.num_experts % 8, 0);
  EXPECT_EQ(n.aux_loss_coefficient, 0.01);
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

TEST(ExpertCapacity, RoundsUpTheFairShareTimesTheFactor) {
  Network n = small_network();
  n.num_experts = 8;
  EXPECT_EQ(expert_capacity(n, 64), 20);  // 2 x 1.25 x 64 / 8
  EXPECT_EQ(expert_capacity(n, 65), 21);  // 20.3
  EXPECT_EQ(expert_capacity(n, 1), 1);
}

TEST(ExpertCapacity, NeverExceedsTheTokensThereAre) {
  Network n = small_network();
  n.capacity_factor = 100.0;
  EXPECT_EQ(expert_capacity(n, 7), 7);
}

TEST(ExpertCapacity, IsNotFooledByTheRoundingOfDoubles) {
  Network n = small_network();
  n.num_experts = 1;
  n.top_k = 1;
  n.capacity_factor = 1.1;  // 1.1 * 50 = 55.00000000000001 in doubles
  EXPECT_EQ(expert_capacity(n, 50), 50);
  n.num_experts = 11;  // 2 x 1.1 x 50 / 11 = 10
  n.top_k = 2;
  EXPECT_EQ(expert_capacity(n, 50), 10);
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
