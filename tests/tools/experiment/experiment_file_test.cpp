#include "tools/experiment/experiment_file.h"

#include <array>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::EndsWith;
using ::testing::HasSubstr;

constexpr const char* kNetwork = R"(schema: sextant/network@1
name: tiny
vocabulary: 256
layers: 2
model_dim: 32
heads: 4
kv_heads: 4
head_dim: 8
expert_kind: swiglu
expert_hidden_dim: 32
num_experts: 4
top_k: 2
capacity_factor: 2.0
)";

constexpr const char* kRest = R"(batch: 8
sequence: [16, 32]
layouts: [best, {dp: 2, ep: 4}]
schedules: [tutel, fsmoe]
steps: 4
warmup_steps: 1
repeats: 3
)";

// The experiment file of `networks` and the other lines, beside a network file tiny.yaml.
Experiment load(const std::string& networks, const std::string& rest = kRest) {
  const TemporaryFolder folder;
  folder.write("tiny.yaml", kNetwork);
  return load_experiment(folder.write("e.yaml", "schema: sextant/experiment@1\nnetworks: " + networks + "\n" + rest));
}

std::string error_of(const std::string& networks, const std::string& rest = kRest) {
  return error_text<ConfigError>([&] { static_cast<void>(load(networks, rest)); });
}

TEST(LoadExperiment, OneValueIsAListOfOne) {
  const Experiment experiment = load("tiny.yaml");
  ASSERT_EQ(experiment.networks.size(), 1U);
  EXPECT_EQ(experiment.networks[0].name, "tiny");
  ASSERT_EQ(experiment.batches.size(), 1U);
  EXPECT_EQ(experiment.batches[0].on(4), 8);
  EXPECT_THAT(experiment.sequences, ElementsAre(16, 32));
  EXPECT_THAT(experiment.schedules, ElementsAre(Policy::kTutel, Policy::kFsmoe));
  ASSERT_EQ(experiment.layouts.size(), 2U);
  EXPECT_EQ(experiment.layouts[0].kind, LayoutChoice::Kind::kBest);
  EXPECT_EQ(experiment.layouts[1].kind, LayoutChoice::Kind::kFixed);
  EXPECT_EQ(experiment.layouts[1].fixed.dp, 2);
  EXPECT_EQ(experiment.layouts[1].fixed.tp, std::nullopt);
  EXPECT_EQ(experiment.layouts[1].fixed.ep, 4);
  EXPECT_EQ((std::array{experiment.steps, experiment.warmup_steps, experiment.repeats}), (std::array{4, 1, 3}));
}

TEST(LoadExperiment, WhatIsLeftOutIsThePlannersChoice) {
  const Experiment experiment = load("tiny.yaml");
  EXPECT_EQ(experiment.cluster, std::nullopt);
  EXPECT_EQ(experiment.data, std::nullopt);
  EXPECT_THAT(experiment.micro_batches, ElementsAre(std::nullopt));
  ASSERT_EQ(experiment.degrees.size(), 1U);
  EXPECT_EQ(experiment.degrees[0].forward, std::nullopt);
  EXPECT_THAT(experiment.references, ElementsAre(Policy::kTutel)) << "the first schedule";
  EXPECT_EQ(experiment.final_round, std::nullopt);
}

TEST(LoadExperiment, ReadsDegreesMicroBatchesAndReference) {
  const std::string more = "degrees: [2, chosen, {forward: 1, backward: chosen}]\nmicro_batch: [1, chosen]\n";
  const Experiment experiment = load("tiny.yaml", kRest + more + "reference: fsmoe\n");
  ASSERT_EQ(experiment.degrees.size(), 3U);
  EXPECT_EQ(experiment.degrees[0].forward, 2);
  EXPECT_EQ(experiment.degrees[0].backward, 2);
  EXPECT_EQ(experiment.degrees[1].backward, std::nullopt);
  EXPECT_EQ(experiment.degrees[2].forward, 1);
  EXPECT_EQ(experiment.degrees[2].backward, std::nullopt);
  EXPECT_THAT(experiment.micro_batches, ElementsAre(1, std::nullopt));
  EXPECT_THAT(experiment.references, ElementsAre(Policy::kFsmoe));
  EXPECT_TRUE(experiment.quick_profile);
  EXPECT_FALSE(load("tiny.yaml", std::string(kRest) + "profile: full\n").quick_profile);
}

std::string with_schedules(const std::string& schedules) {
  std::string rest = kRest;
  return rest.replace(rest.find("[tutel, fsmoe]"), 14, schedules);
}

TEST(LoadExperiment, TutelAndSequentialAreTheReferencesWhereBothAreRun) {
  EXPECT_THAT(load("tiny.yaml", with_schedules("[fsmoe, sequential, tutel]")).references,
              ElementsAre(Policy::kTutel, Policy::kSequential));
  EXPECT_THAT(load("tiny.yaml", with_schedules("[fsmoe, sequential]")).references, ElementsAre(Policy::kFsmoe));
  EXPECT_THAT(load("tiny.yaml", std::string(kRest) + "reference: [fsmoe, tutel]\n").references,
              ElementsAre(Policy::kFsmoe, Policy::kTutel));
}

TEST(LoadExperiment, AFinalRoundHasPlansRepeatsAndItsOwnStepsWhereWanted) {
  const auto round = load("tiny.yaml", std::string(kRest) + "final: {plans: 5, repeats: 2}\n").final_round.value();
  EXPECT_EQ((std::array{round.plans, round.repeats, round.steps}), (std::array{5, 2, 4})) << "steps of the file";
  EXPECT_EQ(load("tiny.yaml", std::string(kRest) + "final: {plans: 5, repeats: 2, steps: 7}\n").final_round->steps, 7);
}

TEST(LoadExperiment, ABatchMayBeCountedPerRank) {
  std::string rest = kRest;
  const Experiment experiment = load("tiny.yaml", rest.replace(rest.find("batch: 8"), 8, "batch: [{per_rank: 2}, 16]"));
  ASSERT_EQ(experiment.batches.size(), 2U);
  EXPECT_EQ(experiment.batches[0].on(4), 8);
  EXPECT_EQ(experiment.batches[0].on(8), 16);
  EXPECT_EQ(experiment.batches[1].on(8), 16);
}

TEST(LoadExperiment, AllSchedulesAreThePlanners) {
  EXPECT_EQ(load("tiny.yaml", with_schedules("all")).schedules, all_policies());
}

TEST(LoadExperiment, VariedKeysFormTheirProduct) {
  const Experiment experiment =
      load("{file: tiny.yaml, vary: {top_k: [1, 2], expert_kind: [gelu, swiglu], layers: 1}}");
  ASSERT_EQ(experiment.networks.size(), 4U);
  EXPECT_EQ(experiment.networks[0].name, "tiny top_k=1 expert_kind=gelu layers=1");
  EXPECT_EQ(experiment.networks[3].name, "tiny top_k=2 expert_kind=swiglu layers=1");
  EXPECT_EQ(experiment.networks[1].top_k, 1);
  EXPECT_EQ(experiment.networks[1].expert_kind, ExpertKind::kSwiglu);
  EXPECT_EQ(experiment.networks[2].top_k, 2);
  EXPECT_EQ(experiment.networks[2].expert_kind, ExpertKind::kGelu);
  EXPECT_EQ(experiment.networks[2].layers, 1);
  EXPECT_EQ(experiment.networks[2].model_dim, 32) << "what is not varied stays";
}

TEST(LoadExperiment, ANamedVariantIsToldApartByItsListsAlone) {
  const Experiment experiment = load("{file: tiny.yaml, vary: {name: one, layers: 1, top_k: [1, 2]}}");
  ASSERT_EQ(experiment.networks.size(), 2U);
  EXPECT_EQ(experiment.networks[0].name, "one top_k=1");
  EXPECT_EQ(experiment.networks[1].name, "one top_k=2");
  EXPECT_EQ(experiment.networks[1].layers, 1);
}

TEST(LoadExperiment, TakesANetworkInline) {
  const Experiment experiment = load(
      "\n  - tiny.yaml\n  - {name: inline, vocabulary: 256, layers: 1, model_dim: 16, heads: 2, kv_heads: 2, head_dim: "
      "8,\n"
      "     expert_kind: gelu, expert_hidden_dim: 16, num_experts: 4, top_k: 1, capacity_factor: 1.0,\n"
      "     vary: {capacity_factor: [1.0, 1.5]}}");
  ASSERT_EQ(experiment.networks.size(), 3U);
  EXPECT_EQ(experiment.networks[2].name, "inline capacity_factor=1.5");
  EXPECT_EQ(experiment.networks[2].capacity_factor, 1.5);
}

TEST(LoadExperiment, AMistakeIsToldWithItsPlace) {
  EXPECT_THAT(error_of("{file: tiny.yaml, vary: {top_k: [1, many]}}"), HasSubstr("e.yaml:2:47: top_k: found \"many\""));
  EXPECT_THAT(error_of("{file: tiny.yaml, vary: {topk: 1}}"), HasSubstr("unknown key \"topk\""));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "stepps: 3\n"),
              HasSubstr("e.yaml:10:1: unknown key \"stepps\""));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "degrees: [1, fast]\n"),
              HasSubstr("e.yaml:10:14: found \"fast\""));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "degrees: []\n"), HasSubstr("found an empty list"));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "reference: lina\n"),
              EndsWith("e.yaml:10:12: reference: lina is none of the schedules of this experiment"));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "final: {plans: 0, repeats: 1}\n"),
              HasSubstr("e.yaml:10:16: plans: found \"0\""));
  EXPECT_THAT(error_of("tiny.yaml", std::string(kRest) + "final: {plans: 1}\n"), HasSubstr("repeats"));
  EXPECT_THAT(error_of("[tiny.yaml, tiny.yaml]"), HasSubstr("e.yaml:2:23: a second network is called \"tiny\""));
  EXPECT_THAT(error_of("none.yaml"), HasSubstr("none.yaml: cannot be read"));
}

TEST(LoadExperiment, EveryExperimentOfTheRepositoryIsRead) {
  const std::filesystem::path folder = std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs/experiments";
  int read = 0;
  for (const auto& entry : std::filesystem::directory_iterator(folder)) {
    if (entry.path().extension() != ".yaml") continue;
    EXPECT_NO_THROW(static_cast<void>(load_experiment(entry.path()))) << entry.path();
    ++read;
  }
  EXPECT_GE(read, 5);
}

}  // namespace
}  // namespace sextant
