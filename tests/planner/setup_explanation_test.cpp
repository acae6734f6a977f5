#include "planner/setup_explanation.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/planner/two_node_request.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

const std::string kConfigs = SEXTANT_SOURCE_DIR "/configs/";
const Topology kTwoNodes{.nodes = 2, .devices_per_node = 8};

Cluster cluster() {
  return load_cluster(kConfigs + "clusters/dgx_h100.yaml");
}

FoundSetup with_terms(double products_s, double dispatch_s, double bubble_s) {
  FoundSetup found;
  found.setup.degrees = {.pp = 1, .dp = 16, .cp = 1, .tp = 1, .edp = 1, .ep = 16, .esp = 1};
  found.estimate.terms[static_cast<std::size_t>(StepTerm::kProducts)] = Seconds(products_s);
  found.estimate.terms[static_cast<std::size_t>(StepTerm::kDispatch)] = Seconds(dispatch_s);
  found.estimate.terms[static_cast<std::size_t>(StepTerm::kBubble)] = Seconds(bubble_s);
  return found;
}

TEST(DecidingTermOfSetups, IsTheOneThatAddsMostAndNamesItsTier) {
  // 1 + 3.1 - 2 ms slower.
  const FoundSetup fastest = with_terms(0.010, 0.002, 0.004), slower = with_terms(0.011, 0.0051, 0.002);
  const auto deciding = deciding_term(slower, fastest);
  ASSERT_TRUE(deciding);
  EXPECT_EQ(deciding->term, StepTerm::kDispatch);
  EXPECT_EQ(to_text(*deciding, slower.setup, kTwoNodes), "+3.1 ms exposed dispatch on the inter tier");
  EXPECT_FALSE(deciding_term(fastest, fastest));
}

TEST(HiddenPhrase, NamesWhatDispatchHidesBehind) {
  FoundSetup found = with_terms(0.010, 0.002, 0.0);
  EXPECT_EQ(hidden_phrase(found), "");
  found.estimate.hidden = Seconds(0.0031);
  found.setup.overlap = Overlap::kMicroBatches;
  EXPECT_EQ(hidden_phrase(found), "hides 3.1 ms of dispatch behind the passes of another micro-batch");
  found.setup.overlap = Overlap::kChunks;
  found.setup.forward_degree = 4;
  EXPECT_EQ(hidden_phrase(found),
            "hides 3.1 ms of dispatch behind the experts, in 4 chunks forward and 1 chunk backward");
}

TEST(RankGrid, NamesBothGridsAndTheTierOfEveryGroup) {
  TrainingSetup setup;
  setup.degrees = {.pp = 2, .dp = 2, .cp = 1, .tp = 4, .edp = 1, .ep = 8, .esp = 1};
  EXPECT_EQ(rank_grid(setup, kTwoNodes),
            "2 stages x (2 dp x 1 cp x 4 tp | 1 edp x 8 ep x 1 esp); tp intra, ep intra, pp inter, gradients intra");
  setup.degrees = {};
  EXPECT_EQ(rank_grid(setup, {.nodes = 1, .devices_per_node = 1}),
            "1 stage x (1 dp x 1 cp x 1 tp | 1 edp x 1 ep x 1 esp)");
}

TEST(BindingConstraintOfASearch, IsMemoryWhereMoreOfItWouldHelp) {
  Cluster small = cluster();
  small.device.memory = Bytes(60e9);
  const SetupResult result = search_setups(two_node_request(), small);
  ASSERT_FALSE(result.setups.empty());
  const BindingConstraint binding = binding_constraint(two_node_request(), small, result);
  EXPECT_EQ(binding.constraint, Constraint::kMemory);
  ASSERT_TRUE(binding.without);
  EXPECT_LT(binding.without->estimate.total(), result.setups.front().estimate.total());
  EXPECT_GT(binding.without->memory.total(), small.device.memory);
  EXPECT_THAT(to_text(binding, small, result.setups.front()), HasSubstr("memory of 55.88 GiB: without its limit"));
}

TEST(BindingConstraintOfASearch, IsWhatWasFixedWhereFreedomWouldHelp) {
  Cluster large = cluster();
  large.device.memory = Bytes(1e15);
  SetupRequest fixed = two_node_request();
  fixed.tp = 8;
  const SetupResult result = search_setups(fixed, large);
  const BindingConstraint binding = binding_constraint(fixed, large, result);
  EXPECT_EQ(binding.constraint, Constraint::kFixed);
  EXPECT_THAT(to_text(binding, large, result.setups.front()), HasSubstr("what was fixed: free of it "));
}

TEST(BindingConstraintOfASearch, IsNoneWhereTheFastestOfAllFits) {
  Cluster large = cluster();
  large.device.memory = Bytes(1e15);
  const SetupResult result = search_setups(two_node_request(), large);
  const BindingConstraint binding = binding_constraint(two_node_request(), large, result);
  EXPECT_EQ(binding.constraint, Constraint::kNone);
  EXPECT_THAT(to_text(binding, large, result.setups.front()), HasSubstr("nothing"));
}

TEST(InheritedDefaults, ListEveryAssumptionWithItsOrigin) {
  const auto list = inherited_defaults(two_node_request());
  const auto value = [&](const std::string& name) {
    for (const InheritedDefault& one : list) {
      if (one.name == name) return one.value + ", " + one.from;
    }
    return std::string("none");
  };
  EXPECT_EQ(value("sequence parallelism"), "yes, not searched");
  EXPECT_EQ(value("capacity factor"), "1.2, network file");
  EXPECT_EQ(value("overhead of a step"), "20 ms, framework assumption");
  EXPECT_EQ(value("fragmentation"), "0.03, memory assumption");
}

TEST(BalanceAssumed, IsStatedForExpertsAndForNone) {
  SetupRequest request = two_node_request();
  EXPECT_THAT(balance_assumed(request), HasSubstr("every expert gets the same rows, 2 a token"));
  request.balance = 1.25;
  EXPECT_THAT(balance_assumed(request), HasSubstr("the busiest rank gets 1.25 times the mean rows"));
  request.network = load_network(kConfigs + "networks/deepseek_v3.yaml");
  EXPECT_THAT(balance_assumed(request), HasSubstr("a token's experts lie in 4 of 8 groups"));
  request.network = load_network(kConfigs + "networks/llama3_8b.yaml");
  EXPECT_THAT(balance_assumed(request), HasSubstr("no experts"));
}

}  // namespace
}  // namespace sextant
