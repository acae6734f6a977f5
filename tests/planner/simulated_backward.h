// What the simulator says of the backward passes of a step.
#pragma once

#include "planner/gradient_partition_problem.h"
#include "planner/simulator.h"

namespace sextant {

// Sum of the backward passes in a simulated step: from the head's start to the embedding's end, in the
// last micro-batch to the start of the gradient norm.
inline Seconds simulated_backward(const StepShape& step, const Schedule& schedule, const CostModel& costs) {
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

inline Schedule schedule_of(const PartitionProblem& problem, const Partition& partition, Policy policy) {
  Schedule schedule{policy, {}, gradient_slices(problem, partition)};
  for (int p = problem.num_positions() - 1; p >= 0; --p) {
    const auto option = static_cast<std::size_t>(partition.options[static_cast<std::size_t>(p)]);
    schedule.degrees.push_back({1, problem.options(p)[option].degree});
  }
  return schedule;
}

// Blocks wait for every slice, and all slices stand in the same queues: the model claims to be exact.
inline bool claims_exactness(const PartitionProblem& problem) {
  LinkSet links = 0;
  for (const ReductionGroup& group : problem.groups) {
    if (group.exists && links != 0 && group.links != links) return false;
    if (group.exists) links = group.links;
  }
  return links == 0 || links == problem.block_links;
}

}  // namespace sextant
