#include "planner/gradient_partition_exact.h"

#include <cstdio>

#include <gtest/gtest.h>

#include "tests/planner/random_partition.h"

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

}  // namespace
}  // namespace sextant
