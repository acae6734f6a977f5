#include "planner/setup_plan.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/planner/two_node_request.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

// Every term has a value of its own, every method another than its default.
SetupPlan example() {
  SetupPlan plan;
  plan.network.name = "small";
  plan.network.layers = 4;
  plan.network.model_dim = 32;
  plan.network.heads = 4;
  plan.network.kv_heads = 2;
  plan.network.head_dim = 8;
  plan.network.expert_hidden_dim = 64;
  plan.network.num_experts = 4;
  plan.network.top_k = 2;
  plan.topology = {.nodes = 2, .devices_per_node = 4};
  TrainingSetup& s = plan.found.setup;
  s.degrees = {.pp = 2, .dp = 1, .cp = 2, .tp = 2, .edp = 1, .ep = 2, .esp = 2};
  s.micro_batch = 2;
  s.num_micro_batches = 4;
  s.sequence = 16;
  s.virtual_stages = 2;
  s.pipeline = PipelineSchedule::kDualPipe;
  s.stage_layers = {1, 3};
  s.zero_stage = 3;
  s.recompute = Recompute::kSelective;
  s.precision = Precision::kFp8;
  s.dispatch = Dispatch::kHierarchical2D;
  s.overlap = Overlap::kChunks;
  s.forward_degree = 2;
  s.backward_degree = 8;
  s.expert_imbalance = 1.25;
  s.overlaps_tensor_parallel = true;
  s.sequence_parallel = s.fused_attention = s.folded = false;
  s.keeps_gathered = true;
  for (int t = 0; t < kNumStepTerms; ++t) {
    plan.found.estimate.terms[static_cast<std::size_t>(t)] = Seconds(0.001 * (t + 1));
  }
  plan.found.memory.terms = {{"parameters", Bytes(3e9)}, {"optimizer state", Bytes(1.5e9)}};
  plan.prediction = {.step_time = plan.found.estimate.total(),
                     .step_time_low = Seconds(0.08),
                     .step_time_high = Seconds(0.13),
                     .lower_bound = Seconds(0.1),
                     .exposed_communication = Seconds(0.05),
                     .peak_memory = Bytes(4.5e9),
                     .tokens_per_s_per_device = 152.4,
                     .mfu = 0.37,
                     .worst_source = CostSource::kDatasheet};
  plan.network_hash = "0123456789abcdef";
  plan.cluster_hash = "fedcba9876543210";
  plan.cluster_name = "somewhere";
  return plan;
}

// What parse_setup_plan says to the example's text with `from` replaced.
std::string refusal(const std::string& from, const std::string& to) {
  std::string text = setup_plan_to_yaml(example());
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in\n" << text;
  text.replace(at, from.size(), to);
  return error_text<ConfigError>([&] { static_cast<void>(parse_setup_plan(ConfigNode::parse(text, "s.yaml"))); });
}

TEST(SetupPlanFile, RoundTripIsExact) {
  const SetupPlan plan = example();
  const std::string text = setup_plan_to_yaml(plan);
  const SetupPlan read = parse_setup_plan(ConfigNode::parse(text, "s.yaml"));
  EXPECT_EQ(setup_plan_to_yaml(read), text);
  EXPECT_EQ(read.found.setup, plan.found.setup);
  EXPECT_EQ(read.found.estimate.terms, plan.found.estimate.terms);
  EXPECT_EQ(read.found.memory.terms.at(1).name, "optimizer state");
  EXPECT_EQ(read.network, plan.network);
  EXPECT_EQ(read.topology, plan.topology);
  EXPECT_EQ(read.cluster_hash, plan.cluster_hash);
}

TEST(SetupPlanFile, SaysThatItIsNotExecutableAndWhy) {
  EXPECT_THAT(
      setup_plan_to_yaml(example()),
      HasSubstr("executable: \"no (the cluster is known by reference only; the bundled executor has no pipeline "
                "stages, context parallelism, ZeRO-3, selective recomputation, 2dh dispatch, fp8)\""));
  EXPECT_THAT(refusal("executable: \"no (", "executable: \"yes ("), HasSubstr("s.yaml:5:13"));
}

TEST(SetupPlanFile, StagesThatRecomputeDifferentlyAreListed) {
  SetupPlan plan = example();
  set_stage_recompute(plan.found.setup, {Recompute::kFull, Recompute::kNone});
  const std::string text = setup_plan_to_yaml(plan);
  EXPECT_THAT(text, HasSubstr("  recompute: none\n  stage_recompute: [full, none]\n"));
  EXPECT_THAT(text, HasSubstr("ZeRO-3, full recomputation, 2dh"));
  EXPECT_EQ(parse_setup_plan(ConfigNode::parse(text, "s.yaml")).found.setup, plan.found.setup);
  EXPECT_THAT(refusal("recompute: selective", "recompute: none\n  stage_recompute: [full]"),
              HasSubstr("found 1 stages, but pp is 2"));
  EXPECT_THAT(refusal("recompute: selective", "recompute: selective\n  stage_recompute: [full, none]"),
              HasSubstr("beside stage_recompute"));
}

TEST(SetupPlanFile, OlderFilesHaveNoChunksAndOverlapAsTheyWerePriced) {
  std::string text = setup_plan_to_yaml(example());
  for (const char* line : {"  overlap: chunks\n", "  r_fwd: 2\n", "  r_bwd: 8\n"}) {
    ASSERT_NE(text.find(line), std::string::npos) << text;
    text.erase(text.find(line), std::string(line).size());
  }
  const auto setup_of = [](const std::string& yaml) {
    return parse_setup_plan(ConfigNode::parse(yaml, "s.yaml")).found.setup;
  };
  EXPECT_EQ(setup_of(text).overlap, Overlap::kMicroBatches);  // DualPipe
  text.replace(text.find("dualpipe"), std::string("dualpipe").size(), "1f1b");
  const TrainingSetup setup = setup_of(text);
  EXPECT_EQ(setup.overlap, Overlap::kNone);
  EXPECT_EQ(setup.forward_degree, 1);
  EXPECT_EQ(setup.backward_degree, 1);
  text.replace(text.find("dispatch: 2dh"), std::string("dispatch: 2dh").size(), "dispatch: deduplicated");
  EXPECT_EQ(setup_of(text).overlap, Overlap::kMicroBatches);  // of an interleaved pipeline
  EXPECT_THAT(refusal("overlap: chunks", "overlap: none"), HasSubstr("found 2 beside overlap none, expected 1"));
  EXPECT_THAT(refusal("overlap: chunks", "overlap: some"), HasSubstr("none, chunks, two_micro_batches"));
  EXPECT_THAT(refusal("r_fwd: 2", "r_fwd: 0"), HasSubstr("s.yaml:"));
}

TEST(SetupPlanFile, WrongKeysAreToldWithTheirPlace) {
  EXPECT_THAT(refusal("zero_stage: 3", "zero_stge: 3"), HasSubstr("zero_stge"));
  EXPECT_THAT(refusal("stage_layers: [1, 3]", "stage_layers: [4]"), HasSubstr("found 1 stages, but pp is 2"));
  EXPECT_THAT(refusal("zero_stage: 3", "zero_stage: 4"), HasSubstr("expected a whole number in [0, 3]"));
  EXPECT_THAT(refusal("recompute: selective", "recompute: some"), HasSubstr("none, selective, full"));
  EXPECT_THAT(refusal("pp: 2", "pp: 3"), HasSubstr("s.yaml:7:"));
  EXPECT_THAT(refusal("sextant/setup@1", "sextant/setup@2"), HasSubstr("expected \"sextant/setup@1\""));
  EXPECT_THAT(refusal("  bubble: 11 ms\n", ""), HasSubstr("missing term \"bubble\""));
  EXPECT_THAT(refusal("  bubble:", "  bubbel:"), HasSubstr("'bubbel' is no term of a step"));
  EXPECT_THAT(refusal("bubble: 11 ms", "bubble: 11"), HasSubstr("s.yaml:"));
}

TEST(SetupPlanFile, TermsThatDoNotSumToTheTotalAreRefused) {
  // 1 + 2 + ... + 15 ms = 120 ms; one more is 121.
  EXPECT_THAT(refusal("bubble: 11 ms", "bubble: 12 ms"), HasSubstr("sum to 121 ms, but step_time is 120 ms"));
  EXPECT_THAT(refusal("parameters: 3000000000 B", "parameters: 4 GB"), HasSubstr("peak_memory"));
}

TEST(SetupPlans, HoldWhatTheSearchFound) {
  const std::string configs = SEXTANT_SOURCE_DIR "/configs/";
  SetupRequest request = two_node_request();
  request.top = 2;
  const Cluster cluster = load_cluster(configs + "clusters/dgx_h100.yaml");
  const SetupResult result = search_setups(request, cluster);
  const std::vector<SetupPlan> plans = setup_plans(request, cluster, result);
  ASSERT_EQ(plans.size(), 2U);
  for (const SetupPlan& plan : plans) {
    const SetupPlan read = parse_setup_plan(ConfigNode::parse(setup_plan_to_yaml(plan), "s.yaml"));
    EXPECT_EQ(read.found.setup, plan.found.setup);
    EXPECT_EQ(read.network_hash, content_hash(network_to_yaml(read.network)));
    EXPECT_EQ(read.prediction.step_time, plan.found.estimate.total());
    EXPECT_LT(plan.prediction.exposed_communication, plan.prediction.step_time);
    EXPECT_LE(plan.prediction.lower_bound, plan.prediction.step_time);
    // Tokens of a step over its time and devices.
    EXPECT_NEAR(plan.prediction.tokens_per_s_per_device, 64.0 * 4096 / plan.prediction.step_time.value() / 16, 1e-6);
  }
}

}  // namespace
}  // namespace sextant
