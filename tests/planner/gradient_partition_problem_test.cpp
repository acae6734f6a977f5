#include "planner/gradient_partition_problem.h"

#include <cstdio>
#include <numeric>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "planner/gradient_partition_exact.h"
#include "planner/simulator.h"
#include "tests/planner/random_step.h"

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

Schedule schedule_of(const PartitionProblem& problem, const Partition& partition, Policy policy) {
  Schedule schedule{policy, {}, gradient_slices(problem, partition)};
  for (int p = problem.num_positions() - 1; p >= 0; --p) {
    schedule.degrees.push_back(
        {1, problem.options(p)[static_cast<std::size_t>(partition.options[static_cast<std::size_t>(p)])].degree});
  }
  return schedule;
}

// Sum of the backward passes in a simulated step: from the head's start to the embedding's end, in the
// last micro-batch to the start of the gradient norm.
Seconds simulated_backward(const StepShape& step, const Schedule& schedule, const CostModel& costs) {
  const TaskGraph graph = build_step_graph(step, schedule);
  const Timeline timeline = simulate(graph, costs);
  Seconds total;
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& task = graph.tasks[i];
    if (task.kind == TaskKind::kHead && task.phase == Phase::kBackward) total -= timeline.spans[i].start;
    if (task.kind == TaskKind::kGradientNorm) total += timeline.spans[i].start;
    const bool last = task.micro_batch == step.num_micro_batches - 1;
    if (task.kind == TaskKind::kEmbedding && task.phase == Phase::kBackward && !last) total += timeline.spans[i].end;
  }
  return total;
}

// Blocks wait for every slice, and all slices stand in the same queues: the model claims to be exact.
bool is_exact(const PartitionProblem& problem) {
  LinkSet links = 0;
  for (const ReductionGroup& group : problem.groups) {
    if (group.exists && links != 0 && group.links != links) return false;
    if (group.exists) links = group.links;
  }
  return links == 0 || links == problem.block_links;
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
    if (is_exact(problem)) {
      ++exact;
      EXPECT_NEAR(claimed.value(), simulated.value(), 1e-9 * simulated.value()) << which;
    } else {
      EXPECT_GE(claimed.value(), simulated.value() * (1.0 - 1e-9)) << which;
      longest = std::max(longest, claimed / simulated - 1.0);
    }
  }
  std::printf("%d instances exact; elsewhere the claim is up to %.1f %% too long\n", exact, 100.0 * longest);
}

}  // namespace
}  // namespace sextant
