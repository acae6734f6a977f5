#include "planner/list_scheduler.h"

#include <algorithm>
#include <cstdio>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/schedule.h"
#include "planner/simulator.h"
#include "tests/planner/hand_graph.h"
#include "tests/planner/random_step.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;

const std::vector<TaskId>& on(const QueueOrders& order, Resource queue) {
  return order[static_cast<std::size_t>(queue)];
}

TEST(UpwardRanks, AreTheLongestPathToTheEnd) {
  // compute 2 -> inter 3 -> compute 1, and compute 2 -> compute 5; a hop between queues costs 10.
  TaskGraph graph;
  const TaskId a = append(graph, Resource::kCompute, 2);
  const TaskId b = append(graph, Resource::kInter, 3, {a});
  append(graph, Resource::kCompute, 5, {a});
  append(graph, Resource::kCompute, 1, {b});
  const std::vector<double> seconds = task_seconds(graph, seconds_from_rows());
  EXPECT_THAT(seconds, ElementsAre(2, 3, 5, 1));
  EXPECT_THAT(upward_ranks(graph, seconds, Seconds(0.0)), ElementsAre(2 + 5, 3 + 1, 5, 1));
  EXPECT_THAT(upward_ranks(graph, seconds, Seconds(10.0)), ElementsAre(2 + 10 + 3 + 10 + 1, 3 + 10 + 1, 5, 1));
}

TEST(ListSchedule, StartsTheMostUrgentReadyTask) {
  TaskGraph graph;
  for (int i = 0; i < 3; ++i) append(graph, Resource::kCompute, 1);
  const QueueOrders order = list_schedule(graph, {{1, 1, 1}, {0.5, 2.0, 1.0}}, Seconds(0.0));
  EXPECT_THAT(on(order, Resource::kCompute), ElementsAre(1, 2, 0));
}

TEST(ListSchedule, FillsAGapWithWhatIsReady) {
  // 0 (2 s) -> link 1 (3 s) -> 2; 3 is of no urgency but fills the gap while the link is busy.
  TaskGraph graph;
  const TaskId first = append(graph, Resource::kCompute, 2);
  const TaskId link = append(graph, Resource::kInter, 3, {first});
  append(graph, Resource::kCompute, 1, {link});
  append(graph, Resource::kCompute, 3, {first});
  const std::vector<double> seconds = task_seconds(graph, seconds_from_rows());
  graph.order = list_schedule(graph, {seconds, {9, 9, 9, 0}}, Seconds(0.0));
  EXPECT_THAT(on(graph.order, Resource::kCompute), ElementsAre(0, 3, 2));
  EXPECT_EQ(simulate(graph, seconds_from_rows()).makespan(), Seconds(6.0));
}

TEST(ListSchedule, ATaskOfTwoQueuesWaitsForBoth) {
  // The two-tier collective is more urgent, but intra is busy until 4; inter does other work meanwhile.
  TaskGraph graph;
  append(graph, Resource::kIntra, 4);
  const TaskId both = append_two_tier(graph, 1);
  const TaskId other = append(graph, Resource::kInter, 2);
  const QueueOrders order = list_schedule(graph, {{4, 1, 2}, {9, 8, 1}}, Seconds(0.0));
  EXPECT_THAT(on(order, Resource::kInter), ElementsAre(other, both));
  EXPECT_THAT(on(order, Resource::kIntra), ElementsAre(0, both));
}

// Whatever the urgencies: the order is one of the graph (check), and without contention the simulator
// takes as long as the scheduler thought, between the longest path and the sum of all tasks.
TEST(ListSchedule, AnyUrgenciesGiveAnOrderOfTheGraph) {
  constexpr unsigned kSeed = 71;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 300; ++i) {
    const StepShape step = random_step(random, 1 + i % 3);
    const FakeCostModel costs = random_costs(random, i % 2 == 0 ? 0.0 : 1e-4);
    Schedule schedule{Policy::kSearched,
                      std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), {1 + i % 3, 1 + i % 4}),
                      whole_unit_slices(step, Policy::kFsmoe)};
    schedule.overlap = {.split_expert_backward = i % 2 == 0, .micro_batches_in_flight = 1 + i % 5 / 3};
    TaskGraph graph = build_step_graph(step, schedule);
    const std::vector<double> seconds = task_seconds(graph, costs);
    std::vector<double> urgency(seconds.size());
    for (double& one : urgency) one = std::uniform_real_distribution<double>(0.0, 1.0)(random);
    graph.order = list_schedule(graph, {seconds, urgency}, costs.launch_latency());
    ASSERT_NO_THROW(check(graph));
    const double time = simulate(graph, costs).makespan().value();
    const std::vector<double> ranks = upward_ranks(graph, seconds, costs.launch_latency());
    double sum = 0.0;
    for (const double one : seconds) sum += one + costs.launch_latency().value();
    EXPECT_GE(time, *std::ranges::max_element(ranks) * (1.0 - 1e-12));
    EXPECT_LE(time, sum * (1.0 + 1e-12));
  }
}

}  // namespace
}  // namespace sextant
