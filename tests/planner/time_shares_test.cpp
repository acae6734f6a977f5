#include "planner/time_shares.h"

#include <gtest/gtest.h>

#include "planner/schedule.h"
#include "planner/simulator.h"
#include "tests/planner/hand_graph.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

TaskSpan span(double start, double end) {
  return {Seconds(start), Seconds(end)};
}

Task task(TaskKind kind, std::vector<Resource> uses) {
  Task task;
  task.kind = kind;
  task.queue = uses.front();
  task.uses = std::move(uses);
  return task;
}

Seconds of(const TimeShares& shares, TaskKind kind) {
  Seconds time;
  for (const TimeShare& share : shares.shares) time += share.kind == kind ? share.time : Seconds(0.0);
  return time;
}

TEST(TimeShares, AnInstantBelongsToComputeElseToWhatIsExposedElseToWaiting) {
  // attention 0-4, dispatch 3-6, experts 7-8: attention 4, dispatch 6 - 4 = 2, waiting 1, experts 1.
  TaskGraph graph;
  append(graph, task(TaskKind::kAttention, {Resource::kCompute}));
  append(graph, task(TaskKind::kDispatch, {Resource::kInter}));
  append(graph, task(TaskKind::kExpert, {Resource::kCompute}));
  const TimeShares shares = time_shares(graph, {{span(0, 4), span(3, 6), span(7, 8)}});
  EXPECT_EQ(of(shares, TaskKind::kAttention), Seconds(4.0));
  EXPECT_EQ(of(shares, TaskKind::kDispatch), Seconds(2.0));
  EXPECT_EQ(of(shares, TaskKind::kExpert), Seconds(1.0));
  EXPECT_EQ(shares.waiting, Seconds(1.0));
  EXPECT_EQ(shares.total(), Seconds(8.0));
}

TEST(TimeShares, CollectivesThatRunTogetherShareTheInstant) {
  // dispatch 0-4 on inter, gather 2-6 on intra: 2 + 2/2 = 3 each.
  TaskGraph graph;
  append(graph, task(TaskKind::kDispatch, {Resource::kInter}));
  append(graph, task(TaskKind::kExpertGather, {Resource::kIntra}));
  const TimeShares shares = time_shares(graph, {{span(0, 4), span(2, 6)}});
  EXPECT_EQ(of(shares, TaskKind::kDispatch), Seconds(3.0));
  EXPECT_EQ(of(shares, TaskKind::kExpertGather), Seconds(3.0));
}

TEST(TimeShares, AHiddenCollectiveHasNoShare) {
  TaskGraph graph;
  append(graph, task(TaskKind::kExpert, {Resource::kCompute}));
  append(graph, task(TaskKind::kDispatch, {Resource::kInter}));
  const TimeShares shares = time_shares(graph, {{span(0, 4), span(1, 3)}});
  ASSERT_EQ(shares.shares.size(), 1U);
  EXPECT_EQ(shares.shares.front().uses, std::vector{Resource::kCompute});
}

TEST(TimeShares, OfASimulatedStepSumToItAndTheirLinksToTheExposedCommunication) {
  const StepShape step = small_step(2);
  const Schedule schedule{Policy::kFsmoe, {{2, 2}, {2, 2}}, whole_unit_slices(step, Policy::kFsmoe)};
  const TaskGraph graph = build_step_graph(step, schedule);
  const FakeCostModel costs([](const KernelWork&) { return Seconds(0.002); },
                            [](const CollectiveWork&) { return Seconds(0.003); });
  const Timeline timeline = simulate(graph, costs);
  const TimeShares shares = time_shares(graph, timeline);
  EXPECT_NEAR(shares.total().value(), timeline.makespan().value(), 1e-9);
  Seconds exposed;
  for (const TimeShare& share : shares.shares) {
    if (share.uses.front() != Resource::kCompute) exposed += share.time;
  }
  EXPECT_NEAR(exposed.value(), summarize(graph, timeline).exposed_communication.value(), 1e-9);
  EXPECT_GT(exposed, Seconds(0.0));
}

}  // namespace
}  // namespace sextant
