#include "planner/layout_search.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "models/error.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

Network small_network() {
  Network network;
  network.name = "small";
  network.layers = 2;
  network.model_dim = 64;
  network.heads = 4;
  network.kv_heads = 4;
  network.head_dim = 16;
  network.expert_hidden_dim = 128;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 1.5;
  return network;
}

CollectiveSeries line(Collective op, GroupShape group, double alpha_s, double beta_s_per_byte) {
  return {op, group, {}, AlphaBeta{Seconds(alpha_s), SecondsPerByte(beta_s_per_byte), {}}, "test"};
}

// Two nodes of two ranks; the link between nodes is ten times slower than the one inside.
Cluster two_by_two() {
  Cluster cluster;
  cluster.name = "two_by_two";
  cluster.topology = {.nodes = 2, .devices_per_node = 2};
  cluster.backend = "local";
  cluster.device = {FlopsPerSecond(1e11), BytesPerSecond(1e10), Bytes(1e9)};
  for (int op = 0; op < kNumCollectives; ++op) {
    cluster.collectives.push_back(line(Collective(op), {1, 2}, 1e-5, 1e-9));
    cluster.collectives.push_back(line(Collective(op), {2, 1}, 1e-4, 1e-8));
    cluster.collectives.push_back(line(Collective(op), {2, 2}, 1e-4, 1e-8));
  }
  return cluster;
}

SearchRequest request() {
  SearchRequest request;
  request.network = small_network();
  request.global_batch = 8;
  request.sequence = 32;
  return request;
}

TEST(EnumerateLayouts, CrossesBothGridsAndKeepsFixedDegrees) {
  // Four ranks: tp 1, 2, 4 times (ep, esp) of product 1, 2 or 4: 3 + 2 + 1 = 6
  EXPECT_EQ(enumerate_layouts({}, 4).size(), 18U);
  SearchRequest request;
  request.tp = 2;
  request.ep = 2;
  const std::vector<ParallelDegrees> fixed = enumerate_layouts(request, 4);
  ASSERT_EQ(fixed.size(), 2U);
  EXPECT_EQ(fixed[0], (ParallelDegrees{.dp = 2, .tp = 2, .edp = 2, .ep = 2, .esp = 1}));
  EXPECT_EQ(fixed[1], (ParallelDegrees{.dp = 2, .tp = 2, .edp = 1, .ep = 2, .esp = 2}));
  request.ep = 3;
  EXPECT_TRUE(enumerate_layouts(request, 4).empty());
}

TEST(EnumerateLayouts, RefusesMoreLayoutsThanASearchCanTry) {
  // 2^24 ranks: 25 tp; exponents of ep and esp that sum to at most 24: 25 x 26 / 2.
  EXPECT_EQ(enumerate_layouts({}, 1 << 24).size(), 25U * (25 * 26 / 2));
  EXPECT_THROW(static_cast<void>(enumerate_layouts({}, 5040)), ConfigError);  // 60 x 810
  SearchRequest request;
  request.tp = 1;
  EXPECT_EQ(enumerate_layouts(request, 5040).size(), 810U);
}

TEST(SearchPlans, BestOfAllIsBestOfEachPolicy) {
  const Cluster cluster = two_by_two();
  const PlanResult all = search_plans(request(), cluster);
  ASSERT_EQ(all.status, PlanStatus::kFound);
  Seconds best(1e9);
  for (const Policy policy : all_policies()) {
    SearchRequest one = request();
    one.policy = policy;
    const PlanResult result = search_plans(one, cluster);
    ASSERT_EQ(result.status, PlanStatus::kFound) << to_text(policy);
    EXPECT_EQ(result.plans.front().schedule.policy, policy);
    best = std::min(best, result.plans.front().prediction.step_time);
  }
  EXPECT_EQ(all.plans.front().prediction.step_time.value(), best.value());
}

TEST(SearchPlans, LayoutsWithUnmeasuredCollectivesAreRejectedWithTheReason) {
  // Without all-to-all inside a node only expert parallelism across nodes can be priced.
  Cluster cluster = two_by_two();
  std::erase_if(cluster.collectives, [](const CollectiveSeries& series) {
    return series.op == Collective::kAllToAll && !series.group.uses_inter();
  });
  SearchRequest several = request();
  several.top = 1000;
  const PlanResult result = search_plans(several, cluster);
  ASSERT_EQ(result.status, PlanStatus::kFound);
  for (const Plan& plan : result.plans) {
    const GroupShape ep = plan.step.layout.group_shape(GroupKind::kEp);
    EXPECT_TRUE(ep.num_ranks() == 1 || ep.uses_inter());
  }
  const bool reason_given =
      std::any_of(result.summary.rejected.begin(), result.summary.rejected.end(), [](const Rejection& rejection) {
        return rejection.reason.find("no measurement of all_to_all within") != std::string::npos;
      });
  EXPECT_TRUE(reason_given);
}

TEST(SearchPlans, SameRequestGivesSamePlan) {
  const Cluster cluster = two_by_two();
  const PlanResult first = search_plans(request(), cluster);
  const PlanResult second = search_plans(request(), cluster);
  EXPECT_EQ(plan_to_yaml(first.plans.front()), plan_to_yaml(second.plans.front()));
}

TEST(SearchPlans, PredictionLiesBetweenLowerBoundAndSimulatedGraph) {
  const Cluster cluster = two_by_two();
  SearchRequest several = request();
  several.top = 1000;
  const auto costs = make_cost_model(cluster);
  const PlanResult result = search_plans(several, cluster);
  ASSERT_GT(result.plans.size(), 50U);
  for (const Plan& plan : result.plans) {
    EXPECT_LE(plan.prediction.lower_bound, plan.prediction.step_time);
    const Timeline timeline = simulate(build_step_graph(plan.step, plan.schedule), *costs);
    EXPECT_EQ(timeline.makespan().value(), plan.prediction.step_time.value());
  }
}

TEST(SearchPlans, FixedDegreesAreKept) {
  SearchRequest fixed = request();
  fixed.tp = 2;
  fixed.ep = 2;
  fixed.esp = 2;
  fixed.forward_degree = 3;
  fixed.backward_degree = 2;
  fixed.policy = Policy::kFsmoe;
  fixed.micro_batch = 2;
  const PlanResult result = search_plans(fixed, two_by_two());
  ASSERT_EQ(result.status, PlanStatus::kFound);
  const Plan& plan = result.plans.front();
  const ParallelDegrees expected{.pp = 1, .dp = 2, .cp = 1, .tp = 2, .edp = 1, .ep = 2, .esp = 2};
  EXPECT_EQ(plan.step.layout.degrees(), expected);
  EXPECT_EQ(plan.schedule.degrees.front(), (LayerDegrees{3, 2}));
  EXPECT_EQ(plan.step.micro_batch, 2);
  EXPECT_EQ(plan.step.num_micro_batches, 2);
}

TEST(SearchPlans, TooLittleMemoryIsAnAnswerThatNamesTheTerm) {
  Cluster tiny = two_by_two();
  tiny.device.memory = Bytes(1000.0);
  const PlanResult result = search_plans(request(), tiny);
  EXPECT_EQ(result.status, PlanStatus::kInfeasible);
  ASSERT_FALSE(result.summary.rejected.empty());
  EXPECT_NE(result.summary.rejected.front().reason.find("memory"), std::string::npos);
}

TEST(SearchPlans, DegreeThatDoesNotDivideIsRejectedWithTheReason) {
  SearchRequest fixed = request();
  fixed.network.kv_heads = 1;
  fixed.tp = 4;
  const PlanResult result = search_plans(fixed, two_by_two());
  EXPECT_EQ(result.status, PlanStatus::kInfeasible);
  ASSERT_FALSE(result.summary.rejected.empty());
  EXPECT_NE(result.summary.rejected.front().reason.find("kv_heads"), std::string::npos);
}

TEST(SearchPlans, EmptyBatchIsBadInput) {
  SearchRequest empty = request();
  empty.global_batch = 0;
  EXPECT_THROW(static_cast<void>(search_plans(empty, two_by_two())), ConfigError);
}

TEST(SearchPlans, AFixedDegreeAboveTheRowsOfAnExpertIsRejected) {
  SearchRequest fixed = request();
  fixed.forward_degree = 1 << 20;
  const PlanResult result = search_plans(fixed, two_by_two());
  EXPECT_EQ(result.status, PlanStatus::kInfeasible);
  ASSERT_FALSE(result.summary.rejected.empty());
  EXPECT_NE(result.summary.rejected.back().reason.find("rows of an expert"), std::string::npos);
}

TEST(SearchPlans, AStepOfTooManyTasksIsRejectedWithTheReason) {
  SearchRequest large = request();
  large.global_batch = 1 << 20;
  large.micro_batch = 2;
  large.tp = 1;
  large.ep = 1;
  large.esp = 1;
  const PlanResult result = search_plans(large, two_by_two());
  EXPECT_EQ(result.status, PlanStatus::kInfeasible);
  ASSERT_FALSE(result.summary.rejected.empty());
  EXPECT_NE(result.summary.rejected.front().reason.find("tasks; allowed: 1048576"), std::string::npos);
}

TEST(SearchPlans, MoreRanksThanAnyClusterHasAreBadInput) {
  SearchRequest large = request();
  large.topology = Topology{.nodes = 1 << 20, .devices_per_node = 1 << 20};
  EXPECT_THROW(static_cast<void>(search_plans(large, two_by_two())), ConfigError);
}

TEST(SearchPlans, APlanThatCouldNotBeReadIsRejectedWithTheReason) {
  Cluster endless = two_by_two();
  for (CollectiveSeries& series : endless.collectives) series.line->alpha = Seconds(1e30);  // the most a file may hold
  SearchRequest one = request();
  one.policy = Policy::kFsmoe;
  one.tp = 1;
  one.ep = 2;
  const PlanResult result = search_plans(one, endless);
  EXPECT_EQ(result.status, PlanStatus::kInfeasible);
  ASSERT_FALSE(result.summary.rejected.empty());
  EXPECT_NE(result.summary.rejected.front().reason.find("allowed: above 0, below 1e30"), std::string::npos);
}

}  // namespace
}  // namespace sextant
