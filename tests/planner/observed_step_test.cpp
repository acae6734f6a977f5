#include "planner/observed_step.h"

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/hand_graph.h"

namespace sextant {
namespace {

const ParallelLayout kTwoRanks({.dp = 2, .ep = 2}, {.nodes = 1, .devices_per_node = 2});

TaskId append_all_to_all(TaskGraph& graph, std::vector<TaskId> dependencies = {}) {
  return append(graph, {.work = CollectiveWork{.group = {.nodes = 1, .ranks_per_node = 2}, .buffer = Bytes(8.0)},
                        .group = GroupKind::kEp,
                        .uses = {Resource::kIntra},
                        .queue = Resource::kIntra,
                        .dependencies = std::move(dependencies)});
}

Timeline timeline(const std::vector<std::pair<double, double>>& spans) {
  Timeline result;
  for (const auto& [start, end] : spans) result.spans.push_back({.start = Seconds(start), .end = Seconds(end)});
  return result;
}

TEST(SpreadOf, NoSampleIsAllZero) {
  EXPECT_EQ(spread_of({}).count, 0);
  EXPECT_EQ(spread_of({}).mean, Seconds(0.0));
}

TEST(SpreadOf, TheErrorOfTheMeanShrinksWithTheRootOfTheCount) {
  // 1, 2, 3, 4: mean 2.5, squares 2.25 + 0.25 + 0.25 + 2.25 = 5, 5 / 3 / 4 = 0.41667, root 0.6455.
  const Spread spread = spread_of({Seconds(4.0), Seconds(2.0), Seconds(1.0), Seconds(3.0)});
  EXPECT_EQ(spread.count, 4);
  EXPECT_DOUBLE_EQ(spread.mean.value(), 2.5);
  EXPECT_NEAR(spread.error.value(), 0.645497, 1e-6);
  EXPECT_DOUBLE_EQ(spread.low.value(), 1.3);
  EXPECT_DOUBLE_EQ(spread.median.value(), 2.5);
  EXPECT_DOUBLE_EQ(spread.high.value(), 3.7);
}

TEST(ObserveStep, WaitingIsWhatOthersTakeLongerThanTheLastToCome) {
  // Kernels of 1 and 2 s, then a collective that ends at 3 on both: transfer 1 s, waits 1 and 0, as in the header.
  TaskGraph graph;
  const TaskId kernel = append(graph, Resource::kCompute, 5);
  append_all_to_all(graph, {kernel});
  const std::vector<Timeline> ranks = {timeline({{0, 1}, {1, 3}}), timeline({{0, 2}, {2, 3}})};
  const ObservedStep step = observe_step(graph, kTwoRanks, ranks);
  ASSERT_EQ(step.works.size(), 2U);
  EXPECT_EQ(step.works[0].alone.mean, Seconds(1.5));
  EXPECT_EQ(step.works[0].alone.count, 2);
  EXPECT_EQ(step.works[1].alone.mean, Seconds(1.0));
  EXPECT_EQ(step.works[1].alone.count, 1);  // one group
  EXPECT_EQ(step.works[1].alone_with_waiting.mean, Seconds(1.5));
  EXPECT_EQ(step.waiting.mean, Seconds(0.5));
  EXPECT_EQ(step.waiting.count, 2);
}

TEST(ObserveStep, ClocksOfRanksNeedNotAgree) {
  TaskGraph graph;
  append_all_to_all(graph);
  const std::vector<Timeline> ranks = {timeline({{1, 3}}), timeline({{12, 13}})};
  const ObservedStep step = observe_step(graph, kTwoRanks, ranks);
  EXPECT_EQ(step.works[0].alone.mean, Seconds(1.0));
  EXPECT_EQ(step.waiting.mean, Seconds(0.5));
}

TEST(ObserveStep, TasksOfOneWorkAreCountedTogether) {
  // Rows 5, 5 and 7: two works, of two tasks on two ranks and one.
  TaskGraph graph;
  append(graph, Resource::kCompute, 5);
  append(graph, Resource::kCompute, 7);
  append(graph, Resource::kCompute, 5);
  const Timeline one = timeline({{0, 4}, {4, 5}, {5, 11}});
  const ObservedStep step = observe_step(graph, kTwoRanks, std::vector<Timeline>{one, one});
  ASSERT_EQ(step.works.size(), 2U);
  EXPECT_EQ(step.works[0].tasks, (std::vector<TaskId>{0, 2}));
  EXPECT_EQ(step.works[0].alone.count, 4);
  EXPECT_EQ(step.works[0].alone.mean, Seconds(5.0));
}

TEST(ObserveStep, WhatRanBesideOthersIsNotAlone) {
  // The kernel 0-4 runs beside the collective 3-5 for a quarter of its span, this beside it for half.
  TaskGraph graph;
  append(graph, Resource::kCompute, 5);
  append_all_to_all(graph);
  const Timeline one = timeline({{0, 4}, {3, 5}});
  const ObservedStep step = observe_step(graph, kTwoRanks, std::vector<Timeline>{one, one});
  EXPECT_EQ(step.works[0].alone.count, 0);
  EXPECT_EQ(step.works[1].alone.count, 0);
  EXPECT_EQ(step.waiting.count, 0);
  EXPECT_DOUBLE_EQ(step.beside[0][static_cast<std::size_t>(Resource::kIntra)], 0.25);
  EXPECT_DOUBLE_EQ(step.beside[1][static_cast<std::size_t>(Resource::kCompute)], 0.5);
  EXPECT_EQ(step.beside[1][static_cast<std::size_t>(Resource::kIntra)], 0.0);  // its own
  EXPECT_EQ(step.spans[0].mean, Seconds(4.0));
}

TEST(ObserveStep, ATransferIsAloneWhereOnlyTheWaitWasBesideWork) {
  // Rank 0 waits from 0 to 9 beside its kernel 0-8, the transfer 9-10 is alone; waits beside work are not counted.
  TaskGraph graph;
  append(graph, Resource::kCompute, 5);
  append_all_to_all(graph);
  const std::vector<Timeline> ranks = {timeline({{0, 8}, {0, 10}}), timeline({{0, 8}, {9, 10}})};
  const ObservedStep step = observe_step(graph, kTwoRanks, ranks);
  EXPECT_EQ(step.works[1].alone.mean, Seconds(1.0));
  EXPECT_EQ(step.works[1].alone_with_waiting.count, 0);
  EXPECT_EQ(step.waiting.count, 0);
}

TEST(ObserveStep, HandOversAreCountedWhereTheOtherQueueCameLast) {
  // b waits for a of another queue: 2 - 1.5 = 0.5. c follows b in its queue and waits for a, long done: not counted.
  TaskGraph graph;
  const TaskId a = append(graph, Resource::kCompute, 5);
  append(graph, Resource::kIntra, 5, {a});
  append(graph, Resource::kIntra, 5, {a});
  const Timeline one = timeline({{0, 1.5}, {2, 3}, {3.25, 4}});
  const ObservedStep step = observe_step(graph, kTwoRanks, std::vector<Timeline>{one, one});
  EXPECT_EQ(step.hand_over.count, 2);
  EXPECT_EQ(step.hand_over.mean, Seconds(0.5));
  EXPECT_EQ(step.late_start, Seconds(0.0));
}

TEST(ObserveStep, LateStartsAreSharedOutOverTheCollectives) {
  // Hand-overs of 0, 1 and 5 on each rank: mean 2, median 1; 1 each beyond it, three on each rank for two collectives.
  TaskGraph graph;
  const TaskId a = append(graph, Resource::kCompute, 5);
  const TaskId b = append_all_to_all(graph, {a});
  const TaskId c = append(graph, Resource::kCompute, 5, {b});
  append_all_to_all(graph, {c});
  const Timeline one = timeline({{0, 1}, {1, 2}, {3, 4}, {9, 10}});
  const ObservedStep step = observe_step(graph, kTwoRanks, std::vector<Timeline>{one, one});
  EXPECT_EQ(step.hand_over.mean, Seconds(2.0));
  EXPECT_EQ(step.hand_over.median, Seconds(1.0));
  EXPECT_EQ(step.late_start, Seconds(1.5));
}

TEST(ObserveStep, RefusesTimelinesOfOtherRanks) {
  EXPECT_THROW(static_cast<void>(observe_step({}, kTwoRanks, std::vector<Timeline>(3))), InternalError);
}

}  // namespace
}  // namespace sextant
