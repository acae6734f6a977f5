// The parameters that our files give beside the published figures, rounded as published.
#include <cmath>
#include <filesystem>
#include <optional>
#include <ostream>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "models/network.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

std::filesystem::path networks_folder() {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks";
}

// Parameters in billions, and how far a count may be from the printed figure: half of its last digit,
// or more with the reason beside it.
struct Figure {
  double billions;
  double tolerance;
};

struct Published {
  const char* file;
  const char* source;
  Figure total;
  std::optional<Figure> active{};
  bool active_has_token_table = true;  // some publishers leave it out of what acts on a token

  friend std::ostream& operator<<(std::ostream& out, const Published& network) { return out << network.file; }
};

double billions(std::int64_t parameters) {
  return static_cast<double>(parameters) / 1e9;
}

// Embeddings 2 V M, final norm M, layer = attention + two norms M + router M E + E x 3 M H, e.g. Mixtral 8x7B:
//   2 x 32000 x 4096 + 4096 + 32 x (4096 x (4096 + 2048) + 4096 x 4096 + 8192 + 32768 + 8 x 3 x 4096 x 14336)
const Published kPublished[] = {
    {"mixtral_8x7b",
     "Mixtral of Experts (arXiv 2401.04088): 47B, 13B; model card: 46.7B, 12.9B",
     {46.7, 0.05},
     Figure{12.9, 0.05}},
    {"mixtral_8x22b", "Mistral AI, Cheaper Better Faster Stronger (2024): 141B, 39B", {141, 0.5}, Figure{39, 0.5}},
    // Layer: MLA 7168x1536 + 1536 + 1536x128x192 + 7168x576 + 512 + 512x128x256 + 16384x7168 = 187107328;
    // MoE 257 x 44040192 + router 7168x256 + 256. 58 such layers, 3 with a dense 3x7168x18432.
    {"deepseek_v3", "README_WEIGHTS: 671B, 36.6B with the output matrix only", {671, 0.5}, Figure{36.6, 0.05}, false},
    {"deepseek_v3_mtp", "README_WEIGHTS: 671B without the module", {671, 0.5}, Figure{36.6, 0.05}, false},
    {"deepseek_v2", "DeepSeek-V2 (arXiv 2405.04434): 236B, 21B; ours 21.38 rounds to it", {236, 0.5}, Figure{21, 0.5}},
    {"qwen3_235b_a22b", "Qwen3 model card: 235B, 22B", {235, 0.5}, Figure{22, 0.5}},
    {"qwen3_30b_a3b", "Qwen3 model card: 30.5B, 3.3B; ours 3.353 is cut, not rounded", {30.5, 0.05}, Figure{3.3, 0.06}},
    {"qwen2_57b_a14b",
     "Qwen2 technical report (arXiv 2407.10671): 57B, 14B; model card 57.41B",
     {57.41, 0.005},
     Figure{14, 0.5}},
    // Experts 128 x (3x2880x2880 + 2x2880 + 2880), attention 2x2880x4096 + 2x2880x512 + 5120 + 2880 + 64 sinks.
    {"gpt_oss_120b",
     "gpt-oss model card, Table 1: 116.83B, 5.13B without the token table",
     {116.83, 0.005},
     Figure{5.13, 0.005},
     false},
    {"gpt_oss_20b",
     "gpt-oss model card, Table 1: 20.91B, 3.61B without the token table",
     {20.91, 0.005},
     Figure{3.61, 0.005},
     false},
    {"olmoe_1b_7b", "OLMoE (arXiv 2409.02060): 6.9B, 1.3B", {6.9, 0.05}, Figure{1.3, 0.05}},
    {"dbrx", "Databricks model card: 132B, 36B; ours 36.47 rounds to it", {132, 0.5}, Figure{36, 0.5}},
    {"grok_1", "xAI: 314B; the sum of the published shapes is 315.7B", {314, 2.0}},
    // Dense: 2 V M + M + layers x (M (h + 2 g) d + h d M + 2 M + 3 M H), e.g. Llama-3 8B:
    //   2 x 128256 x 4096 + 4096 + 32 x (4096 x 6144 + 4096 x 4096 + 8192 + 3 x 4096 x 14336)
    {"llama2_7b", "Hugging Face: 6.74B", {6.74, 0.005}, Figure{6.74, 0.005}},
    {"llama2_13b", "Hugging Face: 13.02B", {13.02, 0.005}},
    {"llama2_70b", "Hugging Face: 68.98B", {68.98, 0.005}},
    {"llama3_8b", "Hugging Face: 8.03B", {8.03, 0.005}},
    {"llama3_70b", "Hugging Face: 70.6B", {70.6, 0.05}},
    {"llama3_405b", "The Llama 3 Herd of Models: 405B; Hugging Face: 406B, ours 405.853", {405.5, 0.5}},
    // 12 layers M^2 + 13 layers M (biases and norms) + (V + 2048) M + 2 M
    {"gpt3_175b", "Few-Shot Learners (arXiv 2005.14165), Table D.1: 174,600M", {174.6, 0.05}},
    {"megatron_gpt_3.6b", "arXiv 2104.04473, Table 1; ours 3.562", {3.6, 0.05}},
    {"megatron_gpt_18.4b", "arXiv 2104.04473, Table 1", {18.4, 0.05}},
    {"megatron_gpt_39.1b", "arXiv 2104.04473, Table 1", {39.1, 0.05}},
    {"megatron_gpt_76.1b", "arXiv 2104.04473, Table 1; ours 76.051", {76.1, 0.05}},
    {"megatron_gpt_310.1b", "arXiv 2104.04473, Table 1", {310.1, 0.05}},
    {"megatron_gpt_529.6b", "arXiv 2104.04473, Table 1", {529.6, 0.05}},
    {"megatron_gpt_1008b", "arXiv 2104.04473, Table 1", {1008.0, 0.05}},
    {"mpt_7b", "MosaicML model card: 6.7B, without biases and positions", {6.7, 0.05}},
    {"mpt_30b", "MosaicML model card: 30B", {30, 0.5}},
    {"nemotron_4_15b", "arXiv 2402.16819: 15B; 3.1B of embeddings, 12.5B of others", {15.6, 0.05}},
    {"nemotron_4_340b", "arXiv 2406.11704: 340B; 9.4B of embeddings, 331.6B of others", {341.0, 0.05}},
    {"llama4_maverick", "Meta model card: 400B, 17B without vision", {400, 2.0}, Figure{17, 0.5}},
};

// No total is published: Sextant's own; networks that others turned into experts (FSMoE, MoE Parallel Folding);
// networks that SimuMax cut; benchmarks named after a size (MosaicML, NeMo).
const std::set<std::string> kWithoutPublishedTotal{"quickstart",
                                                   "gpt2_xl_moe",
                                                   "mixtral_8x22b_g8t8",
                                                   "llama3_8x70b",
                                                   "deepseek_v2_4_layers",
                                                   "deepseek_v3_4_layers",
                                                   "llama3_70b_12_layers",
                                                   "llama3_405b_4_layers",
                                                   "mpt_1b",
                                                   "mpt_3b",
                                                   "mpt_13b",
                                                   "mpt_70b",
                                                   "nemo_gpt3_5b",
                                                   "nemo_gpt3_20b",
                                                   "nemotron_3_8b"};

class PublishedParameters : public testing::TestWithParam<Published> {};

TEST_P(PublishedParameters, AreThoseOfOurFile) {
  const Published& published = GetParam();
  const Network n = load_network(networks_folder() / (std::string(published.file) + ".yaml"));
  EXPECT_NEAR(billions(total_parameters(n)), published.total.billions, published.total.tolerance) << published.source;
  if (!published.active) return;
  const std::int64_t table = published.active_has_token_table ? 0 : n.vocabulary * n.model_dim;
  EXPECT_NEAR(billions(active_parameters(n) - table), published.active->billions, published.active->tolerance)
      << published.source;
}

INSTANTIATE_TEST_SUITE_P(Networks, PublishedParameters, testing::ValuesIn(kPublished), [](const auto& published) {
  std::string name = published.param.file;
  for (char& c : name) c = c == '.' ? '_' : c;
  return name;
});

TEST(DeepSeekV3, ItsPredictionModuleHasElevenAndAHalfBillionOfItsOwn) {
  // A layer as the last one 11507286272, norms of two inputs and the output 3 x 7168 = 21504, projection 14336 x 7168 =
  // 102760448: 11.610; published as 11.5 (README_WEIGHTS), the layer alone being 11.507.
  const Network n = load_network(networks_folder() / "deepseek_v3_mtp.yaml");
  EXPECT_EQ(mtp_parameters(n), std::int64_t{11507286272} + 21504 + 102760448);
  EXPECT_NEAR(billions(mtp_parameters(n)), 11.5, 0.12);
  // The files of the hub hold the token table and the output matrix once more: 685B with 14B for the module.
  const std::int64_t on_the_hub = total_parameters(n) + mtp_parameters(n) + 2 * n.vocabulary * n.model_dim;
  EXPECT_NEAR(billions(on_the_hub), 685, 0.6);
}

TEST(NetworkFiles, AllHaveAPublishedTotalOrAReasonToHaveNone) {
  std::set<std::string> known = kWithoutPublishedTotal;
  for (const Published& published : kPublished) known.insert(published.file);
  std::set<std::string> files;
  for (const auto& entry : std::filesystem::directory_iterator(networks_folder())) {
    if (entry.path().extension() == ".yaml") files.insert(entry.path().stem().string());
  }
  EXPECT_EQ(files, known);
}

TEST(NetworkFiles, NameTheirSourceAndReadBackAsTheSameNetwork) {
  for (const auto& entry : std::filesystem::directory_iterator(networks_folder())) {
    if (entry.path().extension() != ".yaml") continue;
    const Network n = load_network(entry.path());
    EXPECT_FALSE(n.source.empty()) << entry.path();
    EXPECT_EQ(parse_network(ConfigNode::parse(network_to_yaml(n), "text")), n) << entry.path();
  }
}

// Letters and digits in lower case: how the field's spellings of one name are compared.
std::string compared(const std::string& name) {
  std::string result;
  for (const char c : name) {
    if (std::isalnum(static_cast<unsigned char>(c)) != 0) result += static_cast<char>(std::tolower(c));
  }
  return result;
}

TEST(NetworkFiles, NoTwoShareANameOrAnAlias) {
  std::set<std::string> taken;
  for (const auto& entry : std::filesystem::directory_iterator(networks_folder())) {
    if (entry.path().extension() != ".yaml") continue;
    const Network n = load_network(entry.path());
    std::set<std::string> names{compared(n.name)};
    for (const std::string& alias : n.aliases) names.insert(compared(alias));
    for (const std::string& name : names) EXPECT_TRUE(taken.insert(name).second) << entry.path() << ": " << name;
  }
}

}  // namespace
}  // namespace sextant
