#include "planner/fsmoe_step2.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "planner/gradient_partition.h"
#include "planner/gradient_partition_exact.h"
#include "tests/planner/fsmoe_step.h"
#include "tests/planner/random_partition.h"

namespace sextant {
namespace {

// One block, degrees 1 (12 s, path 4) and 2 (10 s, path 6). 20 elements of 1 s exist before it. Step 1
// hides 4 in degree 2 and leaves 16: 10 + 16. With x more in the block degree 1 hides 8 for 2 s more:
// 12 + 12 = 24, and any x from 4 on is as good.
TEST(FsmoeStep2, BuysAWiderWindowWithASmallerDegree) {
  PartitionProblem problem;
  problem.kinds = {{{1, {Seconds(12.0), {Seconds(4.0)}}, {}}, {2, {Seconds(10.0), {Seconds(6.0)}}, {}}}};
  problem.kind = {0};
  problem.block_links = 1;
  problem.groups[0] = {true, 1, ReductionCost::affine(Seconds(0.0), Seconds(1.0)), {20, 20, 20, 20}};
  EXPECT_DOUBLE_EQ(backward_time(problem, partition_greedily(problem)).value(), 26.0);
  const Step2Result result = fsmoe_step2(problem);
  EXPECT_EQ(result.variables, 1);
  EXPECT_DOUBLE_EQ(result.time.value(), 24.0);
  EXPECT_EQ(result.partition.options[0], 0);
  EXPECT_GE(result.partition.elements[0][0], 8);
}

TEST(FsmoeStep2, WithoutRemainderIsStep1) {
  PartitionProblem problem;
  problem.kinds = {{{1, {Seconds(10.0), {Seconds(4.0)}}, {}}}};
  problem.kind = {0};
  problem.block_links = 1;
  problem.groups[0] = {true, 1, ReductionCost::affine(Seconds(0.0), Seconds(1.0)), {5, 5, 5, 5}};
  const Step2Result result = fsmoe_step2(problem);
  EXPECT_EQ(result.variables, 0);
  EXPECT_EQ(result.evaluations, 1);
  EXPECT_EQ(result.partition.elements, partition_greedily(problem).elements);
}

TEST(FsmoeStep2, SameSeedSameAnswer) {
  std::mt19937 random(5);
  const PartitionProblem problem = RandomPartition(random, {.positions = 12, .most_elements = 1000}).make();
  const Step2Result first = fsmoe_step2(problem), second = fsmoe_step2(problem);
  EXPECT_EQ(first.partition.elements, second.partition.elements);
  EXPECT_EQ(first.time, second.time);
  EXPECT_EQ(first.evaluations, second.evaluations);
}

// Gains are of the backward's time.
struct Comparison {
  int better_than_step1 = 0, below_exact = 0, instances = 0;
  double step2_gain = 0.0, exact_gain = 0.0, worst_gap = 0.0;

  void add(const PartitionProblem& problem) {
    const Seconds step1 = backward_time(problem, partition_greedily(problem));
    const Step2Result step2 = fsmoe_step2(problem, {.max_evaluations = 2000});
    const ExactPartition exact = partition_exactly(problem);
    EXPECT_EQ(backward_time(problem, step2.partition), step2.time);
    EXPECT_LE(step2.time.value(), step1.value() * (1.0 + 1e-12)) << "instance " << instances;
    EXPECT_LE(exact.time.value(), step1.value() * (1.0 + 1e-12)) << "instance " << instances;
    EXPECT_LE(exact.bound.value(), step2.time.value() * (1.0 + 1e-9)) << "instance " << instances;
    ++instances;
    better_than_step1 += step2.time < step1 * (1.0 - 1e-6) ? 1 : 0;
    below_exact += step2.time < exact.time * (1.0 - 1e-6) ? 1 : 0;
    step2_gain += 1.0 - step2.time / step1;
    exact_gain += 1.0 - exact.time / step1;
    worst_gap = std::max(worst_gap, exact.gap());
  }
  void print(const char* what) const {
    std::printf(
        "%s: step 2 gains %.2f %% over step 1 (better in %d of %d), exact %.2f %%; step 2 below exact in %d, "
        "largest gap to the bound %.2f %%\n",
        what, 100.0 * step2_gain / instances, better_than_step1, instances, 100.0 * exact_gain / instances, below_exact,
        100.0 * worst_gap);
  }
};

RandomPartitionShape fine_grained(int i, int groups) {
  return {.positions = 1 + i % 12,
          .degrees = 4,
          .groups = groups,
          .most_elements = 1000000000,
          .alike = i % 2 == 0,
          .element_s = 5e-9};
}

TEST(FsmoeStep2, IsNeverBetterThanTheExactPartition) {
  constexpr unsigned kSeed = 21;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  Comparison comparison;
  for (int i = 0; i < 120; ++i) comparison.add(RandomPartition(random, fine_grained(i, 1)).make());
  comparison.print("one group");
  EXPECT_EQ(comparison.below_exact, 0);
  EXPECT_LT(comparison.worst_gap, 1e-7);  // whole elements
}

TEST(FsmoeStep2, SeveralGroups) {
  constexpr unsigned kSeed = 22;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  for (const int groups : {2, 3}) {
    Comparison comparison;
    for (int i = 0; i < 120; ++i) comparison.add(RandomPartition(random, fine_grained(i, groups)).make());
    comparison.print(groups == 2 ? "two groups" : "three groups");
  }
}

}  // namespace
}  // namespace sextant
