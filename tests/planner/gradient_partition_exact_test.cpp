#include "planner/gradient_partition_exact.h"

#include <algorithm>
#include <cstdio>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "planner/fsmoe_step2.h"
#include "planner/gradient_partition.h"
#include "tests/planner/random_partition.h"
#include "tests/planner/random_step.h"
#include "tests/planner/simulated_backward.h"

namespace sextant {
namespace {

void expect_valid(const PartitionProblem& problem, const Partition& partition) {
  PerGroup<std::int64_t> issued{};
  for (int slot = 0; slot < problem.num_slots(); ++slot) {
    for (std::size_t g = 0; g < issued.size(); ++g) {
      const std::int64_t elements = partition.elements[static_cast<std::size_t>(slot)][g];
      ASSERT_GE(elements, 0);
      issued[g] += elements;
      if (problem.groups[g].exists) {
        ASSERT_LE(issued[g], problem.groups[g].ready[static_cast<std::size_t>(slot)]) << "slot " << slot;
      } else {
        ASSERT_EQ(elements, 0);
      }
    }
  }
  for (std::size_t g = 0; g < issued.size(); ++g) {
    if (problem.groups[g].exists) {
      ASSERT_EQ(issued[g], problem.groups[g].total());
    }
  }
}

TEST(PartitionExactly, OneGroupIsOptimalByEnumeration) {
  constexpr unsigned kSeed = 11;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  for (int i = 0; i < 1500; ++i) {
    const RandomPartitionShape shape{.positions = 1 + i % 3,
                                     .most_elements = i % 3 == 2 ? 3 : 5,
                                     .alike = i % 2 == 0,
                                     .aligned = true,
                                     .num_micro_batches = i % 5 == 0 ? 3 : 1};
    const PartitionProblem problem = RandomPartition(random, shape).make();
    const ExactPartition exact = partition_exactly(problem);
    expect_valid(problem, exact.partition);
    const Seconds least = PartitionEnumeration(problem).least();
    EXPECT_NEAR(exact.time.value(), least.value(), 1e-9 * least.value()) << "instance " << i;
    EXPECT_NEAR(exact.bound.value(), least.value(), 1e-9 * least.value()) << "instance " << i;
    EXPECT_EQ(exact.time.value(), backward_time(problem, exact.partition).value());
  }
}

TEST(PartitionExactly, SeveralGroupsStayWithinTheBound) {
  constexpr unsigned kSeed = 12;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  double worst_gap = 0.0, worst_loss = 0.0, sum_gap = 0.0, sum_loss = 0.0;
  constexpr int kInstances = 400;
  for (int i = 0; i < kInstances; ++i) {
    const RandomPartitionShape shape{.positions = 1 + i % 2, .groups = 2, .most_elements = i % 2 == 0 ? 3 : 2};
    const PartitionProblem problem = RandomPartition(random, shape).make();
    const ExactPartition exact = partition_exactly(problem);
    expect_valid(problem, exact.partition);
    const Seconds least = PartitionEnumeration(problem).least();
    EXPECT_LE(exact.bound.value(), least.value() * (1.0 + 1e-9)) << "instance " << i;
    EXPECT_GE(exact.time.value(), least.value() * (1.0 - 1e-9)) << "instance " << i;
    worst_gap = std::max(worst_gap, exact.gap());
    worst_loss = std::max(worst_loss, exact.time / least - 1.0);
    sum_gap += exact.gap();
    sum_loss += exact.time / least - 1.0;
  }
  std::printf("gap to the bound: mean %.2f %% max %.2f %%; above the optimum: mean %.2f %% max %.2f %%\n",
              100.0 * sum_gap / kInstances, 100.0 * worst_gap, 100.0 * sum_loss / kInstances, 100.0 * worst_loss);
}

// On steps of every layout of 2 x 4 ranks: the graph can be built (every buffer once, in order, never
// before its gradient), the simulator confirms the time, and no schedule is faster than the bound.
TEST(PartitionExactly, HoldsInTheSimulatedStep) {
  constexpr unsigned kSeed = 13;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  double largest_gap = 0.0, largest_exact_gap = 0.0, sum_gap = 0.0;
  int exact_claims = 0;
  constexpr int kInstances = 400;
  for (int i = 0; i < kInstances; ++i) {
    const StepShape step = random_step(random, 1 + i % 5);
    const FakeCostModel costs = random_costs(random, i % 3 == 0 ? 0.0 : 2e-5);
    const Policy policy = i % 2 == 0 ? Policy::kFsmoe : Policy::kFsmoeNoIio;
    const PartitionProblem problem = partition_problem(step, costs, policy, {1, 2, 3, 4, 5, 6});
    const std::string which = fmt::format("instance {} {} {}", i, to_text(step.layout.degrees()), to_text(policy));
    const ExactPartition exact = partition_exactly(problem);
    expect_valid(problem, exact.partition);
    const double simulated = simulated_backward(step, schedule_of(problem, exact.partition, policy), costs).value();
    const double bound = exact.bound.value() * (1.0 - 1e-9);
    ASSERT_LE(bound, simulated) << which;
    if (claims_exactness(problem)) {
      ASSERT_NEAR(simulated, exact.time.value(), 1e-9 * simulated) << which;
      largest_exact_gap = std::max(largest_exact_gap, exact.gap());
      ++exact_claims;
    } else {
      ASSERT_LE(simulated, exact.time.value() * (1.0 + 1e-9)) << which;
    }
    const Partition step1 = partition_greedily(problem);
    ASSERT_LE(exact.time.value(), backward_time(problem, step1).value() * (1.0 + 1e-12)) << which;
    ASSERT_LE(bound, simulated_backward(step, schedule_of(problem, step1, policy), costs).value()) << which;
    for (int r = 1; r <= 6; ++r) {
      const std::vector<LayerDegrees> degrees(static_cast<std::size_t>(step.network.layers), {1, r});
      const Schedule whole{policy, degrees, whole_unit_slices(step, Policy::kTutelImproved)};
      ASSERT_LE(bound, simulated_backward(step, whole, costs).value()) << which << " degree " << r;
    }
    largest_gap = std::max(largest_gap, simulated / exact.bound.value() - 1.0);
    sum_gap += simulated / exact.bound.value() - 1.0;
  }
  std::printf("simulated time above the bound: mean %.2f %% max %.2f %%; where the model is exact (%d) max %.2f %%\n",
              100.0 * sum_gap / kInstances, 100.0 * largest_gap, exact_claims, 100.0 * largest_exact_gap);
}

}  // namespace
}  // namespace sextant
