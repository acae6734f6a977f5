#include "models/network.h"

#include <cmath>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "tests/models/small_network.h"

namespace sextant {
namespace {

std::filesystem::path shipped(const std::string& name) {
  return std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks" / (name + ".yaml");
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

TEST(NetworkParameters, ATokenPassesEveryDenseLayerWhole) {
  Network n = small_network();
  n.dense = {.layers = {0}, .hidden_dim = 10};
  EXPECT_EQ(num_moe_layers(n), 1);
  EXPECT_TRUE(is_dense_layer(n, 0));
  EXPECT_FALSE(is_dense_layer(n, 1));
  // W1 4x10, W3 4x10, W2 10x4
  EXPECT_EQ(dense_layer_parameters(n), 120);
  // embedding, final norm and output 84; MoE layer 48 + 20 + 3 x 72; dense layer: attention 48, two norms 8, 120
  EXPECT_EQ(total_parameters(n), 84 + (48 + 20 + 216) + (48 + 8 + 120));
  EXPECT_EQ(active_parameters(n), 84 + (48 + 20 + 144) + (48 + 8 + 120));
}

TEST(NetworkParameters, OfADenseNetworkAllAct) {
  Network n = small_network();
  n.dense = {.layers = {0, 1}, .hidden_dim = 10};
  n.num_experts = n.top_k = 0;
  n.expert_hidden_dim = 0;
  EXPECT_EQ(total_parameters(n), 84 + 2 * (48 + 8 + 120));
  EXPECT_EQ(active_parameters(n), total_parameters(n));
}

TEST(NetworkParameters, SharedExpertsActOnEveryToken) {
  Network n = small_network();
  n.shared_experts = {.count = 2, .hidden_dim = 5};
  EXPECT_EQ(shared_expert_parameters(n), 2 * 3 * 4 * 5);
  EXPECT_EQ(active_parameters(n) - active_parameters(small_network()), 2 * 120);
  n.shared_experts->gate = true;  // one row of 4
  EXPECT_EQ(shared_expert_parameters(n), 124);
}

TEST(NetworkParameters, LatentAttentionPassesNarrowMatrices) {
  Network n = small_network();
  n.mla = {.q_lora_rank = 3, .kv_lora_rank = 5, .qk_nope_head_dim = 6, .qk_rope_head_dim = 2, .v_head_dim = 7};
  // queries 4x3, norm 3, 3 x 2 heads x (6 + 2); keys and values 4 x (5 + 2), norm 5, 5 x 2 heads x (6 + 7);
  // output 2 heads x 7 x 4
  EXPECT_EQ(attention_parameters(n), (12 + 3 + 48) + (28 + 5 + 130) + 56);
  n.mla->q_lora_rank.reset();  // 4 x 2 heads x (6 + 2)
  EXPECT_EQ(attention_parameters(n), 64 + (28 + 5 + 130) + 56);
}

TEST(NetworkParameters, NormsOfQueriesAndKeysAreOneHeadWideOrAll) {
  Network n = small_network();
  n.qk_norm = QkNorm::kPerHead;  // 2 and 2
  EXPECT_EQ(attention_parameters(n), 48 + 4);
  n.qk_norm = QkNorm::kWhole;  // 2 heads x 2 and 1 head x 2
  EXPECT_EQ(attention_parameters(n), 48 + 6);
}

TEST(NetworkParameters, EveryBiasIsCountedWhereItIsAdded) {
  Network n = small_network();
  n.biases.query_key_value = true;  // 4 + 2 + 2
  EXPECT_EQ(attention_parameters(n), 48 + 8);
  n.biases.attention_output = true;  // 4
  n.attention_sinks = true;          // one a head
  EXPECT_EQ(attention_parameters(n), 48 + 8 + 4 + 2);
  n.biases.feed_forward = true;  // 6 and 6 for W1 and W3, 4 for W2
  EXPECT_EQ(expert_parameters(n), 72 + 16);
  n.expert_kind = ExpertKind::kGelu;
  EXPECT_EQ(expert_parameters(n), 48 + 10);
  n.biases.router = true;  // 3
  EXPECT_EQ(replicated_layer_parameters(n), 8 + 12 + 3);
  n.biases.norm = true;  // 4 for each of two norms
  EXPECT_EQ(replicated_layer_parameters(n), 16 + 12 + 3);
}

TEST(NetworkParameters, TiedEmbeddingsAreOneMatrixAndPositionsAreRows) {
  Network n = small_network();
  n.tied_embeddings = true;
  EXPECT_EQ(total_parameters(n), total_parameters(small_network()) - 40);
  n.learned_positions = 7;  // 7 x 4
  EXPECT_EQ(total_parameters(n), total_parameters(small_network()) - 40 + 28);
}

TEST(NetworkParameters, AWindowCostsNone) {
  Network n = small_network();
  n.sliding_window = {.tokens = 8, .full_every = 2};
  EXPECT_EQ(total_parameters(n), total_parameters(small_network()));
}

TEST(NetworkParameters, PredictionModulesAreNotInTheTotal) {
  Network n = small_network();
  EXPECT_EQ(mtp_parameters(n), 0);
  n.mtp_layers = 2;
  // each: a MoE layer 48 + 20 + 216, three norms of 4, a projection 8 x 4
  EXPECT_EQ(mtp_parameters(n), 2 * (284 + 12 + 32));
  EXPECT_EQ(total_parameters(n), total_parameters(small_network()));
}

TEST(NetworkParameters, OfTheLargestNetworkAFileMayHoldDoNotOverflow) {
  Network n = small_network();
  n.vocabulary = n.learned_positions = NetworkLimits::kVocabulary;
  n.layers = NetworkLimits::kLayers;
  n.model_dim = n.expert_hidden_dim = NetworkLimits::kDim;
  n.heads = n.kv_heads = NetworkLimits::kHeads;
  n.head_dim = NetworkLimits::kHeads;
  n.num_experts = n.top_k = NetworkLimits::kExperts;
  n.shared_experts = {.count = NetworkLimits::kExperts, .hidden_dim = NetworkLimits::kDim, .gate = true};
  n.mtp_layers = NetworkLimits::kMtpLayers;
  // 2^10 layers of 2 x 2^12 experts of 3 x 2^18 x 2^18, and 4 x 2^18 x 2^12 x 2^12 a layer for the attention
  const double experts = 6.0 * std::exp2(58);
  EXPECT_NEAR(static_cast<double>(total_parameters(n)) / experts, 1.0, 0.02);
  EXPECT_NEAR(static_cast<double>(mtp_parameters(n)) / experts, 64.0 / 1024.0, 0.002);
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

}  // namespace
}  // namespace sextant
