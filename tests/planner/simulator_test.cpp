#include "planner/simulator.h"

#include <iostream>

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/block_graph.h"

namespace sextant {
namespace {

void expect_span(const Timeline& timeline, TaskId task, double start, double end) {
  EXPECT_DOUBLE_EQ(timeline.spans[static_cast<std::size_t>(task)].start.value(), start) << "task " << task;
  EXPECT_DOUBLE_EQ(timeline.spans[static_cast<std::size_t>(task)].end.value(), end) << "task " << task;
}

TEST(Simulate, AnEmptyGraphTakesNoTime) {
  EXPECT_EQ(simulate({}, seconds_from_rows()).makespan(), Seconds(0.0));
}

TEST(Simulate, AQueueRunsItsTasksInOrderEvenIfALaterOneIsReady) {
  // compute: X 0-5; inter: Y waits for X 5-7, Z is ready at 0 but stands behind Y 7-10.
  TaskGraph graph;
  const TaskId x = append(graph, Resource::kCompute, 5);
  const TaskId y = append(graph, Resource::kInter, 2, {x});
  const TaskId z = append(graph, Resource::kInter, 3);
  const Timeline timeline = simulate(graph, seconds_from_rows());
  expect_span(timeline, x, 0, 5);
  expect_span(timeline, y, 5, 7);
  expect_span(timeline, z, 7, 10);
}

TEST(Simulate, GivesTheTimelineOfTwoChunksWorkedOutByHand) {
  // a = 2, g = 3, e = 4, s = 1, a slice of 5 ready at once:
  // inter  D1 0-2  D2 2-4  G 4-9  C1 10-12  C2 14-16
  // intra  A1 2-5  A2 5-8  S1 9-10  S2 13-14       compute  E1 5-9  E2 9-13
  const TaskGraph graph =
      block_graph({.all_to_all = 2, .gather = 3, .expert = 4, .scatter = 1, .degree = 2, .gradient = 5});
  const Timeline timeline = simulate(graph, seconds_from_rows());
  expect_span(timeline, 1, 0, 2);     // D1
  expect_span(timeline, 2, 2, 5);     // A1
  expect_span(timeline, 3, 2, 4);     // D2
  expect_span(timeline, 4, 5, 8);     // A2
  expect_span(timeline, 6, 4, 9);     // slice
  expect_span(timeline, 7, 5, 9);     // E1
  expect_span(timeline, 8, 9, 13);    // E2
  expect_span(timeline, 9, 9, 10);    // S1
  expect_span(timeline, 10, 10, 12);  // C1
  expect_span(timeline, 11, 13, 14);  // S2
  expect_span(timeline, 12, 14, 16);  // C2
  EXPECT_EQ(timeline.makespan(), Seconds(16.0));
}

TEST(Simulate, ATwoTierCollectiveWaitsForBothLinksAndHoldsBoth) {
  // inter P 0-2, intra Q 0-5; the collective 5-9; what stands behind it in either queue starts at 9.
  TaskGraph graph;
  append(graph, Resource::kInter, 2);
  append(graph, Resource::kIntra, 5);
  const TaskId both = append_two_tier(graph, 4);
  const TaskId inter = append(graph, Resource::kInter, 1);
  const TaskId intra = append(graph, Resource::kIntra, 2);
  const Timeline timeline = simulate(graph, seconds_from_rows());
  expect_span(timeline, both, 5, 9);
  expect_span(timeline, inter, 9, 10);
  expect_span(timeline, intra, 9, 11);
}

TEST(Simulate, ATwoTierCollectiveOnACommonQueueHoldsOnlyThatQueue) {
  // A policy with one communication queue issues it there alone; intra work of another queue runs beside it.
  TaskGraph graph;
  const TaskId both =
      append(graph, {.work = lasting(4), .uses = {Resource::kInter, Resource::kIntra}, .queue = Resource::kInter});
  const TaskId next = append(graph, {.work = lasting(3), .uses = {Resource::kIntra}, .queue = Resource::kInter});
  const Timeline timeline = simulate(graph, seconds_from_rows());
  expect_span(timeline, both, 0, 4);
  expect_span(timeline, next, 4, 7);
}

TEST(Simulate, LaunchLatencyDelaysOnlyDependentsInOtherQueues) {
  // X 0-4 compute; Y same queue starts at 4; Z on inter waits for X and the launch: 4.5-6.5.
  TaskGraph graph;
  const TaskId x = append(graph, Resource::kCompute, 4);
  const TaskId y = append(graph, Resource::kCompute, 1, {x});
  const TaskId z = append(graph, Resource::kInter, 2, {x});
  FakeCostModel costs = seconds_from_rows();
  costs.set_launch_latency(Seconds(0.5));
  const Timeline timeline = simulate(graph, costs);
  expect_span(timeline, y, 4, 5);
  expect_span(timeline, z, 4.5, 6.5);
}

TEST(Simulate, TakesTheQuantileAskedFor) {
  TaskGraph graph;
  append(graph, Resource::kCompute, 10);
  FakeCostModel costs = seconds_from_rows();
  costs.set_spread(0.2);
  EXPECT_DOUBLE_EQ(simulate(graph, costs, Quantile::kLow).makespan().value(), 8.0);
  EXPECT_DOUBLE_EQ(simulate(graph, costs, Quantile::kMedian).makespan().value(), 10.0);
  EXPECT_DOUBLE_EQ(simulate(graph, costs, Quantile::kHigh).makespan().value(), 12.0);
}

TEST(Simulate, NamesADeadLockInsteadOfHanging) {
  TaskGraph graph;
  const TaskId first = append(graph, Resource::kCompute, 1);
  const TaskId second = append(graph, Resource::kCompute, 1);
  graph.tasks[static_cast<std::size_t>(first)].dependencies = {second};
  EXPECT_THROW(static_cast<void>(simulate(graph, seconds_from_rows())), InternalError);
}

TEST(Simulate, TwoTierCollectivesInOppositeOrdersDeadLock) {
  TaskGraph graph;
  const TaskId first = append_two_tier(graph, 1);
  const TaskId second = append_two_tier(graph, 1);
  graph.order[static_cast<std::size_t>(Resource::kIntra)] = {second, first};
  EXPECT_THROW(static_cast<void>(simulate(graph, seconds_from_rows())), InternalError);
}

// ---- contention ----

TEST(Contention, SlowsATaskOnlyWhileTheOtherRuns) {
  // compute 10 s of work, inter 3 s; inter slows compute by 2, not the other way round.
  // 0-3 compute does 1.5 s of its work, then 8.5 s alone: ends at 11.5.
  TaskGraph graph;
  const TaskId compute = append(graph, Resource::kCompute, 10);
  const TaskId inter = append(graph, Resource::kInter, 3);
  FakeCostModel costs = seconds_from_rows();
  costs.set_slowdown([](Resource victim, Resource) { return victim == Resource::kCompute ? 2.0 : 1.0; });
  const Timeline timeline = simulate(graph, costs);
  expect_span(timeline, inter, 0, 3);
  expect_span(timeline, compute, 0, 11.5);
}

TEST(Contention, ChangesTheRateEachTimeTheSetOfRunningTasksChanges) {
  // Both links slow compute by 2 and are slowed by nothing. compute 10 s; inter 0-4; intra 2-4 (after a
  // compute-free host task of 2 s): rates 1/2 until 2, 1/4 until 4, then 1: 1 + 0.5 + 8.5 -> ends at 12.5.
  TaskGraph graph;
  const TaskId compute = append(graph, Resource::kCompute, 10);
  append(graph, Resource::kInter, 4);
  const TaskId host = append(graph, Resource::kHost, 2);
  append(graph, Resource::kIntra, 2, {host});
  FakeCostModel costs = seconds_from_rows();
  costs.set_slowdown([](Resource victim, Resource aggressor) {
    return victim == Resource::kCompute && aggressor != Resource::kHost ? 2.0 : 1.0;
  });
  expect_span(simulate(graph, costs), compute, 0, 12.5);
}

TEST(Contention, IsMutualWhereBothFactorsSaySo) {
  // Equal work of 6 s, both slowed by 1.5 while the other runs: both end at 9.
  TaskGraph graph;
  append(graph, Resource::kCompute, 6);
  append(graph, Resource::kInter, 6);
  FakeCostModel costs = seconds_from_rows();
  costs.set_slowdown([](Resource, Resource) { return 1.5; });
  EXPECT_DOUBLE_EQ(simulate(graph, costs).makespan().value(), 9.0);
}

TEST(Contention, ATwoTierCollectiveIsSlowedLikeItsPartBetweenNodes) {
  // Compute slows inter by 3 and intra by 5; the collective of 6 s suffers 3 while compute runs (0-9): it
  // has done 3 s by then and ends at 12. A resource of its own never slows it.
  TaskGraph graph;
  append(graph, Resource::kCompute, 9);
  const TaskId both = append_two_tier(graph, 6);
  FakeCostModel costs = seconds_from_rows();
  costs.set_slowdown([](Resource victim, Resource aggressor) {
    if (victim == Resource::kCompute) return 1.0;
    if (aggressor != Resource::kCompute) return 100.0;
    return victim == Resource::kInter ? 3.0 : 5.0;
  });
  expect_span(simulate(graph, costs), both, 0, 12);
}

TEST(Contention, ADelayIsAddedToATaskThatRunsBesideAnotherAllTheTime) {
  // Compute slows inter by 1.5 and 1 s: 4 s become 7 s. Compute lasts longer and is not slowed.
  TaskGraph graph;
  const TaskId compute = append(graph, Resource::kCompute, 10);
  const TaskId inter = append(graph, Resource::kInter, 4);
  FakeCostModel costs = seconds_from_rows();
  costs.set_slowdown([](Resource victim, Resource) { return victim == Resource::kInter ? 1.5 : 1.0; });
  costs.set_delay([](Resource victim, Resource) { return Seconds(victim == Resource::kInter ? 1.0 : 0.0); });
  const Timeline timeline = simulate(graph, costs);
  expect_span(timeline, inter, 0, 7);
  expect_span(timeline, compute, 0, 10);
}

TEST(Contention, ADelayCountsInProportionWhereTheOtherEndsEarlier) {
  // Slowed by 2 s in 8 s, inter advances at 4/5 for the 5 s of compute: 4 s of it are left, it ends at 9.
  TaskGraph graph;
  append(graph, Resource::kCompute, 5);
  const TaskId inter = append(graph, Resource::kInter, 8);
  FakeCostModel costs = seconds_from_rows();
  costs.set_delay([](Resource victim, Resource) { return Seconds(victim == Resource::kInter ? 2.0 : 0.0); });
  expect_span(simulate(graph, costs), inter, 0, 9);
}

FakeCostModel seconds_from_rows_and_bytes() {
  return FakeCostModel([](const KernelWork& work) { return Seconds(static_cast<double>(work.shape.rows)); },
                       [](const CollectiveWork& work) { return Seconds(work.buffer.value()); });
}

TaskId append_collective(TaskGraph& graph, Resource link, double seconds) {
  const CollectiveWork work{.group = {.nodes = 2}, .buffer = Bytes(seconds)};
  return append(graph, {.work = work, .uses = {link}, .queue = link});
}

TEST(ComputeShare, IsTakenFromKernelsAtTheRateOfTheCollective) {
  // A collective of 3 s takes 0.4 of the compute; beside compute it runs at half its rate, so it takes 0.2 for 6 s:
  // compute has done 4.8 of its 8 s by then and ends at 9.2.
  TaskGraph graph;
  const TaskId compute = append(graph, Resource::kCompute, 8);
  const TaskId inter = append_collective(graph, Resource::kInter, 3);
  FakeCostModel costs = seconds_from_rows_and_bytes();
  costs.set_compute_share(0.4);
  costs.set_slowdown([](Resource victim, Resource) { return victim == Resource::kInter ? 2.0 : 1.0; });
  const Timeline timeline = simulate(graph, costs);
  expect_span(timeline, inter, 0, 6);
  expect_span(timeline, compute, 0, 9.2);
}

// 0.7 and 0.7 of two links would leave nothing: kernels keep a twentieth.
TEST(ComputeShare, OfSeveralCollectivesAddsUpAndNeverStopsAKernel) {
  TaskGraph graph;
  const TaskId compute = append(graph, Resource::kCompute, 3);
  append_collective(graph, Resource::kInter, 20);
  append_collective(graph, Resource::kIntra, 20);
  FakeCostModel costs = seconds_from_rows_and_bytes();
  costs.set_compute_share(0.7);
  expect_span(simulate(graph, costs), compute, 0, 22);
}

TEST(ComputeShare, SlowsNoCollectiveOnTheQueueOfTheKernels) {
  TaskGraph graph;
  const TaskId collective = append_collective(graph, Resource::kInter, 3);
  Task& task = graph.tasks[static_cast<std::size_t>(collective)];
  graph.order[static_cast<std::size_t>(Resource::kCompute)] = {collective};
  graph.order[static_cast<std::size_t>(task.queue)].clear();
  task.queue = Resource::kCompute;
  FakeCostModel costs = seconds_from_rows_and_bytes();
  costs.set_compute_share(0.7);
  expect_span(simulate(graph, costs), collective, 0, 3);
}

TEST(Contention, FactorsOfOneChangeNothing) {
  constexpr std::uint64_t kSeed = 31;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  FakeCostModel with = seconds_from_rows();
  with.set_slowdown([](Resource, Resource) { return 1.0; });
  for (int i = 0; i < 500; ++i) {
    const TaskGraph graph = block_graph(blocks.next());
    ASSERT_EQ(simulate(graph, with).makespan(), simulate(graph, seconds_from_rows()).makespan());
  }
}

TEST(Contention, NeverMakesABlockFaster) {
  constexpr std::uint64_t kSeed = 32;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  FakeCostModel with = seconds_from_rows();
  with.set_slowdown([](Resource, Resource) { return 1.4; });
  for (int i = 0; i < 2000; ++i) {
    const TaskGraph graph = block_graph(blocks.next());
    const double alone = simulate(graph, seconds_from_rows()).makespan().value();
    ASSERT_GE(simulate(graph, with).makespan().value(), alone * (1.0 - 1e-12));
  }
}

// ---- against the closed forms ----

TEST(SimulatedBlock, EqualsTheClosedFormOn100000RandomInstances) {
  constexpr std::uint64_t kSeed = 33;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  const FakeCostModel costs = seconds_from_rows();
  for (int i = 0; i < 100000; ++i) {
    const HandBlock block = blocks.next();
    const Seconds gradient(static_cast<double>(block.gradient));
    ASSERT_EQ(simulate(block_graph(block), costs).makespan(),
              closed_form_time(block.chunk(), block.degree, gradient, block.queues))
        << "instance " << i;
  }
}

TEST(SimulatedBlock, EqualsBlockTimeWithLateGradientsAndLaunchLatencyOn20000RandomInstances) {
  constexpr std::uint64_t kSeed = 34;
  std::cout << "seed " << kSeed << "\n";
  RandomBlocks blocks(kSeed);
  FakeCostModel costs = seconds_from_rows();
  for (int i = 0; i < 20000; ++i) {
    HandBlock block = blocks.next();
    if (block.queues == BlockQueues::kSerial) block.queues = BlockQueues::kOneLink;
    if (block.gradient > 0) block.gradient_ready = blocks.duration() * block.degree;
    const Seconds latency(static_cast<double>(i % 2 == 0 ? 0 : blocks.duration() / 10));
    costs.set_launch_latency(latency);
    const BlockOptions options{.gradient = Seconds(static_cast<double>(block.gradient)),
                               .gradient_ready = Seconds(static_cast<double>(block.gradient_ready)) + latency,
                               .launch_latency = latency};
    ASSERT_EQ(simulate(block_graph(block), costs).makespan(),
              block_time(block.chunk(), block.degree, options, block.queues))
        << "instance " << i;
  }
}

}  // namespace
}  // namespace sextant
