#include "planner/gradient_partition.h"

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

constexpr std::size_t kDense = 0;       // of kReducingGroups: kDp
constexpr std::size_t kEverywhere = 1;  // kStage

// Two layers; a block of 10 s leaves room for 4 s, a dense part of 3 s for 3 s, the last one for 2 s. Reducing n
// elements takes 1 + n / 2 s. The head has 4 elements, each layer 8, the embedding 2.
PartitionProblem two_layers() {
  PartitionProblem problem;
  problem.kinds = {{BlockOption{1, {Seconds(10.0), {Seconds(6.0)}}, {}}}};
  problem.kind = {0, 0};
  problem.dense = {{{Seconds(3.0), {}}, Seconds(2.0), {}}};
  problem.tail.attended = Seconds(2.0);
  problem.block_links = 1;
  problem.groups[kDense] = {true, 1, ReductionCost::affine(Seconds(1.0), Seconds(0.5)), {4, 4, 12, 12, 20, 22}};
  return problem;
}

// Slot 0: 4 elements exist, (4 - 1) / 0.5 = 6 fit: 4. Slot 1: none exist. Slot 2: 8 exist, 6 fit. Beside
// the last attention (2 - 1) / 0.5 = 2 of the other 2. The tail: 8 of layer 0 and 2 of the embedding.
TEST(PartitionGreedily, FillsWindowsOldestFirst) {
  const Partition partition = partition_greedily(two_layers());
  const std::vector<std::int64_t> expected = {4, 0, 6, 2, 0, 10};
  for (std::size_t slot = 0; slot < expected.size(); ++slot) {
    EXPECT_EQ(partition.elements[slot][kDense], expected[slot]) << "slot " << slot;
  }
}

// Blocks and dense part hide everything given to them: 10 + 3 + 10. Then the attention, 2 s, and the tail's
// slice of 10 elements, 6 s.
TEST(PartitionGreedily, LengthensOnlyTheTail) {
  const PartitionProblem problem = two_layers();
  EXPECT_DOUBLE_EQ(backward_time(problem, partition_greedily(problem)).value(), 10.0 + 3.0 + 10.0 + 2.0 + 6.0);
}

TEST(PartitionGreedily, WindowShorterThanAlphaTakesNothing) {
  PartitionProblem problem = two_layers();
  problem.kinds[0][0].cost.path[kDense] = Seconds(9.1);  // 0.9 s of room
  const Partition partition = partition_greedily(problem);
  EXPECT_EQ(partition.elements[0][kDense], 0);
  EXPECT_EQ(partition.elements[1][kDense], 4);  // 3 s hold (3 - 1) / 0.5 = 4
}

// A second group in the same slot gets what the first leaves: after 4 elements, 3 s, of 4 s there is 1 s; with
// alpha 0.4 and 0.2 an element 3 fit.
TEST(PartitionGreedily, GroupsShareAWindow) {
  PartitionProblem problem = two_layers();
  problem.kinds[0][0].cost.path[kEverywhere] = Seconds(6.0);
  problem.groups[kEverywhere] = {true, 1, ReductionCost::affine(Seconds(0.4), Seconds(0.2)), {9, 9, 9, 9, 9, 9}};
  const Partition partition = partition_greedily(problem);
  EXPECT_EQ(partition.elements[0][kDense], 4);
  EXPECT_EQ(partition.elements[0][kEverywhere], 3);
  EXPECT_EQ(partition.elements[1][kEverywhere], 6);  // 0.4 + 1.2 of 3 s
}

TEST(FastestOptions, TiesGoToTheSmallerDegree) {
  PartitionProblem problem = two_layers();
  problem.kinds[0].push_back({2, {Seconds(9.0), {}}, {}});
  problem.kinds[0].push_back({3, {Seconds(9.0), {}}, {}});
  EXPECT_EQ(fastest_options(problem), (std::vector<int>{1, 1}));
}

// With 3 micro-batches the slow block that hides the slice costs 2 x 1 s more elsewhere and saves 1.5 s here.
TEST(ImproveDegrees, BlockTimeCountsInEveryMicroBatch) {
  PartitionProblem problem = two_layers();
  problem.kinds[0] = {{1, {Seconds(11.0), {Seconds(5.0)}}, {}}, {2, {Seconds(10.0), {Seconds(6.0)}}, {}}};
  Partition partition = partition_greedily(problem);
  partition.elements[2][kDense] = 11;  // 6.5 s: 11.5 s at degree 1, 12.5 s at degree 2
  improve_degrees(problem, partition);
  EXPECT_EQ(partition.options[1], 0);
  problem.num_micro_batches = 3;
  improve_degrees(problem, partition);
  EXPECT_EQ(partition.options[1], 1);
}

// Constant times: every all-to-all 1 s, gather and scatter 2 s over esp and 0.5 s over tp, expert 4 s,
// attention 5 s, gate and combine 1 s each.
FakeCostModel constant_costs() {
  return {[](const KernelWork& work) {
            if (work.op == Operator::kExpert) return Seconds(4.0);
            return Seconds(work.op == Operator::kAttention ? 5.0 : 1.0);
          },
          [tp_bytes = attention_gather_work(small_step(2)).buffer](const CollectiveWork& work) {
            if (work.op == Collective::kAllReduce) return Seconds(1.0) + SecondsPerByte(0.01) * work.buffer;
            if (work.op == Collective::kAllToAll) return Seconds(1.0);
            return Seconds(work.buffer == tp_bytes ? 0.5 : 2.0);
          }};
}

// Two chunks: dispatches end at 1 2, gathers at 3 5, experts at 7 11, scatters at 9 13, combines at 10 14.
// A slice of dp follows D2 and precedes C1 on the link between nodes: 2 + G + 2, so 10 s are free. One of
// the stage group holds both links: it waits for A2 at 5 and delays S1 S2 C2, 5 + G + 5: 4 s are free.
// Dense: gate 1, gather 0.5, attention 5, scatter 0.5, combine 1: dp has 8 s. The stage group's slice stands
// between gather and scatter: 5 s are free. The windows suit both groups.
TEST(GradientWindows, AreTheTimeThatTheQueuesOfAllGroupsIdle) {
  const StepShape step = small_step(2);
  const FakeCostModel costs = constant_costs();
  const PartitionProblem problem = partition_problem(step, costs, Policy::kFsmoe, {2});
  const SlotCost& block = problem.options(0)[0].cost;
  EXPECT_DOUBLE_EQ(block.time.value(), 14.0);
  EXPECT_NEAR(block.path[kDense].value(), 4.0, 1e-12);
  EXPECT_NEAR(block.path[kEverywhere].value(), 10.0, 1e-12);
  EXPECT_DOUBLE_EQ(problem.dense[0].cost.time.value(), 8.0);
  EXPECT_NEAR(problem.dense[0].cost.path[kDense].value(), 0.0, 1e-12);
  EXPECT_NEAR(problem.dense[0].cost.path[kEverywhere].value(), 3.0, 1e-12);
  const auto windows = gradient_windows(step, costs, Policy::kFsmoe, {{2, 2}, {2, 2}});
  ASSERT_EQ(windows.size(), 4U);
  const std::vector<double> rooms = {4.0, 5.0, 4.0, 5.0};
  for (std::size_t w = 0; w < windows.size(); ++w) {
    const auto kind = w % 2 == 0 ? GradientSlot::Kind::kMoe : GradientSlot::Kind::kDense;
    EXPECT_EQ(windows[w].slot, (GradientSlot{kind, w < 2 ? 1 : 0}));
    EXPECT_NEAR(windows[w].room.value(), rooms[w], 1e-12);
  }
}

// With one communication queue the slice follows A2 at 6 (D1 A1 D2 A2 in turn) and precedes S1 C1 S2 C2:
// E ends at 7 11, S1 9 C1 10 S2 13 C2 14; path 6 + 6, 2 s are free.
TEST(GradientWindows, OneQueueLeavesLessRoom) {
  const StepShape step = small_step(2);
  const PartitionProblem problem = partition_problem(step, constant_costs(), Policy::kFsmoeNoIio, {2});
  EXPECT_DOUBLE_EQ(problem.options(0)[0].cost.time.value(), 14.0);
  EXPECT_NEAR(problem.options(0)[0].cost.path[kDense].value(), 12.0, 1e-12);
}

// A launch latency h stands before the first dispatch and behind the last combine: path 2 a r + 2 h.
TEST(GradientWindows, LatencyAtBothEndsOfABlockIsNotRoom) {
  FakeCostModel costs = constant_costs();
  costs.set_launch_latency(Seconds(0.25));
  const StepShape step = small_step(2);
  const PartitionProblem problem = partition_problem(step, costs, Policy::kFsmoe, {2});
  EXPECT_NEAR(problem.options(0)[0].cost.path[kDense].value(), 4.5, 1e-12);
  // D1 1.25 A1 3.5 A2 5.5 E1 7.75 E2 11.75 S1 10 S2 14 C2 15.25 end 15.5.
  EXPECT_DOUBLE_EQ(problem.options(0)[0].cost.time.value(), 15.5);
}

TEST(PartitionGreedily, NeedsTwoWindowsALayer) {
  EXPECT_THROW(static_cast<void>(partition_greedily(small_step(2), constant_costs(), std::vector<GradientWindow>(3))),
               InternalError);
}

TEST(PartitionGreedily, GivenWindowsAreFilledInTheScheduleTerms) {
  const StepShape step = small_step(2);
  const FakeCostModel costs = constant_costs();
  const auto windows = gradient_windows(step, costs, Policy::kFsmoe, {{2, 2}, {2, 2}});
  const Schedule schedule{Policy::kFsmoe, {{2, 2}, {2, 2}}, partition_greedily(step, costs, windows)};
  EXPECT_NO_THROW(static_cast<void>(build_step_graph(step, schedule)));
  EXPECT_EQ(schedule.gradients.front().slot, (GradientSlot{GradientSlot::Kind::kMoe, 1}));
  // The head, in the first window of 4 s: 1 + 0.04 n, 75 elements of the stage group.
  EXPECT_EQ(schedule.gradients.front().group, GroupKind::kStage);
  EXPECT_EQ(schedule.gradients.front().end, 75);
}

}  // namespace
}  // namespace sextant
