#include "planner/task_graph.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/hand_graph.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

// The text of the InternalError that check(graph) throws; empty if it accepts the graph.
std::string complaint(const TaskGraph& graph) {
  try {
    check(graph);
  } catch (const InternalError& error) {
    return error.what();
  }
  return {};
}

TaskGraph chain_over_two_queues() {
  TaskGraph graph;
  const TaskId first = append(graph, Resource::kCompute, 1);
  const TaskId second = append(graph, Resource::kInter, 1, {first});
  append(graph, Resource::kCompute, 1, {second});
  return graph;
}

TEST(ChunkRange, CoversTheCapacityOnceWithChunksThatDifferByAtMostOneRow) {
  for (const std::int64_t capacity : {1, 7, 64, 1000}) {
    for (int count = 1; count <= 9; ++count) {
      std::int64_t end = 0;
      for (int index = 0; index < count; ++index) {
        const ChunkRange range = chunk_range(capacity, index, count);
        EXPECT_EQ(range.begin, end);
        EXPECT_GE(range.rows(), capacity / count);
        EXPECT_LE(range.rows(), (capacity + count - 1) / count);
        end = range.end;
      }
      EXPECT_EQ(end, capacity);
    }
  }
}

TEST(TaskName, NamesKindLayerMicroBatchChunkAndPhase) {
  const Task expert{
      .kind = TaskKind::kExpert, .phase = Phase::kBackward, .layer = 3, .micro_batch = 1, .chunk = 0, .num_chunks = 4};
  EXPECT_EQ(task_name(expert), "expert l3 m1 c1/4 backward");
  const Task optimizer{.kind = TaskKind::kOptimizer, .phase = Phase::kUpdate, .layer = -1};
  EXPECT_EQ(task_name(optimizer), "optimizer update");
}

TEST(TaskName, NamesTheGroupOfAGradientSlice) {
  const Task slice{.kind = TaskKind::kGradientReduce, .phase = Phase::kBackward, .layer = 2, .group = GroupKind::kEdp};
  EXPECT_EQ(task_name(slice), "gradient_reduce l2 m0 edp backward");
}

TEST(TaskKindText, IsDistinctForEveryKind) {
  std::vector<std::string> names;
  for (int kind = 0; kind < kNumTaskKinds; ++kind) names.emplace_back(to_text(TaskKind(kind)));
  std::sort(names.begin(), names.end());
  EXPECT_EQ(std::unique(names.begin(), names.end()), names.end());
}

TEST(Check, AcceptsAChainOverTwoQueues) {
  EXPECT_EQ(complaint(chain_over_two_queues()), "");
}

TEST(Check, RefusesATaskThatStandsInNoQueue) {
  TaskGraph graph = chain_over_two_queues();
  graph.order[static_cast<std::size_t>(Resource::kInter)].clear();
  EXPECT_THAT(complaint(graph), HasSubstr("stands 0 times in queue inter"));
}

TEST(Check, RefusesATaskThatStandsTwiceInItsQueue) {
  TaskGraph graph = chain_over_two_queues();
  graph.order[static_cast<std::size_t>(Resource::kInter)].push_back(1);
  EXPECT_THAT(complaint(graph), HasSubstr("stands 2 times in queue inter"));
}

TEST(Check, RefusesATwoTierCollectiveThatMissesItsSecondQueue) {
  TaskGraph graph;
  append_two_tier(graph, 1);
  graph.order[static_cast<std::size_t>(Resource::kIntra)].clear();
  EXPECT_THAT(complaint(graph), HasSubstr("stands 0 times in queue intra"));
}

TEST(Check, RefusesAQueueThatNamesNoTask) {
  TaskGraph graph = chain_over_two_queues();
  graph.order[static_cast<std::size_t>(Resource::kInter)].push_back(7);
  EXPECT_THAT(complaint(graph), HasSubstr("queue inter names task 7 of 3"));
}

TEST(Check, RefusesADependencyThatDoesNotExist) {
  TaskGraph graph = chain_over_two_queues();
  graph.tasks[2].dependencies = {9};
  EXPECT_THAT(complaint(graph), HasSubstr("depends on task 9"));
}

TEST(Check, RefusesATaskThatDependsOnItself) {
  TaskGraph graph = chain_over_two_queues();
  graph.tasks[2].dependencies = {2};
  EXPECT_THAT(complaint(graph), HasSubstr("depends on task 2"));
}

TEST(Check, RefusesATaskThatOccupiesNothing) {
  TaskGraph graph = chain_over_two_queues();
  graph.tasks[1].uses.clear();
  EXPECT_THAT(complaint(graph), HasSubstr("occupies nothing"));
}

TEST(Check, RefusesADependencyOnALaterTask) {
  TaskGraph graph = chain_over_two_queues();
  graph.tasks[0].dependencies = {1};
  EXPECT_THAT(complaint(graph), HasSubstr("depends on task 1"));
}

TEST(Check, RefusesAQueueOrderThatContradictsADependency) {
  TaskGraph graph = chain_over_two_queues();
  graph.order[static_cast<std::size_t>(Resource::kCompute)] = {2, 0};  // 2 waits for 1, which waits for 0
  EXPECT_THAT(complaint(graph), HasSubstr("on a cycle"));
}

TEST(Check, RefusesTwoTierCollectivesInOppositeOrders) {
  TaskGraph graph;
  const TaskId first = append_two_tier(graph, 1);
  const TaskId second = append_two_tier(graph, 1);
  graph.order[static_cast<std::size_t>(Resource::kIntra)] = {second, first};
  EXPECT_THAT(complaint(graph), HasSubstr("2 of 2 tasks lie on a cycle"));
}

TEST(TopologicalOrder, RespectsDependenciesAndQueuesAndBreaksTiesByLowestId) {
  TaskGraph graph;
  append(graph, Resource::kCompute, 1);       // 0
  append(graph, Resource::kCompute, 1, {3});  // 1 waits for 3
  append(graph, Resource::kIntra, 1);         // 2
  append(graph, Resource::kInter, 1);         // 3
  append(graph, Resource::kInter, 1);         // 4 stands behind 3
  EXPECT_THAT(topological_order(graph), ElementsAre(0, 2, 3, 1, 4));
}

}  // namespace
}  // namespace sextant
