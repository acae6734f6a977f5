#include "planner/gradient_partition_problem.h"

#include <cstdio>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/planner/random_step.h"
#include "tests/planner/simulated_backward.h"

namespace sextant {
namespace {

std::vector<int> degrees_to(int limit) {
  std::vector<int> degrees(static_cast<std::size_t>(limit));
  std::iota(degrees.begin(), degrees.end(), 1);
  return degrees;
}

// Random volumes in random slots, never before their gradients exist.
Partition random_partition(std::mt19937& random, const PartitionProblem& problem) {
  Partition partition;
  for (int p = 0; p < problem.num_positions(); ++p) {
    partition.options.push_back(static_cast<int>(random() % problem.options(p).size()));
  }
  PerGroup<std::int64_t> issued{};
  for (int slot = 0; slot < problem.num_slots(); ++slot) {
    PerGroup<std::int64_t> elements{};
    for (std::size_t g = 0; g < elements.size(); ++g) {
      if (!problem.groups[g].exists) continue;
      const std::int64_t waiting = problem.groups[g].ready[static_cast<std::size_t>(slot)] - issued[g];
      if (slot == problem.num_slots() - 1) {
        elements[g] = waiting;
      } else if (waiting > 0 && random() % 2 == 0) {
        elements[g] =
            random() % 3 == 0 ? waiting : static_cast<std::int64_t>(random() % static_cast<unsigned long>(waiting + 1));
      }
      issued[g] += elements[g];
    }
    partition.elements.push_back(elements);
  }
  return partition;
}

TEST(BackwardTime, IsWhatTheSimulatorGives) {
  constexpr unsigned kSeed = 301;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  int exact = 0;
  double longest = 0.0;
  for (int i = 0; i < 600; ++i) {
    const StepShape step = random_step(random, 1 + i % 4);
    const FakeCostModel costs = random_costs(random, i % 3 == 0 ? 0.0 : 2e-5);
    const Policy policy = i % 2 == 0 ? Policy::kFsmoe : Policy::kFsmoeNoIio;
    const PartitionProblem problem = partition_problem(step, costs, policy, degrees_to(4));
    const Partition partition = random_partition(random, problem);
    const Seconds claimed = backward_time(problem, partition);
    const Seconds simulated = simulated_backward(step, schedule_of(problem, partition, policy), costs);
    const std::string which = fmt::format("instance {} {} {} latency {}", i, to_text(step.layout.degrees()),
                                          to_text(policy), costs.launch_latency().value());
    if (claims_exactness(problem)) {
      ++exact;
      EXPECT_NEAR(claimed.value(), simulated.value(), 1e-9 * simulated.value()) << which;
    } else {
      EXPECT_GE(claimed.value(), simulated.value() * (1.0 - 1e-9)) << which;
      longest = std::max(longest, claimed / simulated - 1.0);
    }
  }
  std::printf("%d instances exact; elsewhere the claim is up to %.1f %% too long\n", exact, 100.0 * longest);
}

// Lines through two sizes; below 10 elements a floor of 3 s.
ReductionCost piecewise() {
  return {[](std::int64_t n) { return Seconds(std::max(3.0, 1.0 + 0.2 * static_cast<double>(n))); }, 50, 1000};
}

TEST(ReductionCost, AffineFunctionIsBelowTheTime) {
  const ReductionCost cost = piecewise();
  EXPECT_FALSE(cost.is_affine());
  EXPECT_NEAR(cost.alpha().value(), 1.0, 0.2);
  for (std::int64_t n = 1; n <= 1000; n += 7) {
    EXPECT_LE((cost.alpha() + static_cast<double>(n) * cost.per_element()).value(), cost.time(n).value() + 1e-9) << n;
  }
}

TEST(ReductionCost, LinesAreRecognised) {
  const ReductionCost cost([](std::int64_t n) { return Seconds(2.0 + 0.5 * static_cast<double>(n)); }, 3, 1000);
  EXPECT_TRUE(cost.is_affine());
  EXPECT_NEAR(cost.alpha().value(), 2.0, 1e-9);
  EXPECT_NEAR(cost.per_element().value(), 0.5, 1e-12);
}

// Growth faster than a line: no affine function with a start-up lies below; a ray does.
TEST(ReductionCost, ConvexCostHasARayBelow) {
  const ReductionCost cost([](std::int64_t n) { return Seconds(1e-3 * static_cast<double>(n * n)); }, 500, 1000);
  EXPECT_EQ(cost.alpha().value(), 0.0);
  EXPECT_NEAR(cost.per_element().value(), 1e-3, 1e-9);
}

// 1 + 0.2 n <= 5 for n <= 20; 2.9 s are less than any slice takes; 3 s hold 10.
TEST(ReductionCost, FittingIsTheInverseOfTime) {
  const ReductionCost cost = piecewise();
  EXPECT_EQ(cost.fitting(1000, Seconds(5.0)), 20);
  EXPECT_EQ(cost.fitting(15, Seconds(5.0)), 15);
  EXPECT_EQ(cost.fitting(1000, Seconds(2.9)), 0);
  EXPECT_EQ(cost.fitting(1000, Seconds(3.0)), 10);
  EXPECT_EQ(cost.fitting(0, Seconds(3.0)), 0);
}

}  // namespace
}  // namespace sextant
