// Task graphs written by hand: every task lasts a whole number of seconds, so that sums are exact.
#pragma once

#include <utility>
#include <vector>

#include "planner/task_graph.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {

// Work that SecondsFromRows prices at `seconds`.
inline KernelWork lasting(std::int64_t seconds) {
  return {.shape = {.rows = seconds}};
}

// Costs under which `lasting(n)` takes n seconds.
inline FakeCostModel seconds_from_rows() {
  return FakeCostModel([](const KernelWork& work) { return Seconds(static_cast<double>(work.shape.rows)); },
                       [](const CollectiveWork&) { return Seconds(0.0); });
}

// Appends `task` to the end of its queues.
inline TaskId append(TaskGraph& graph, Task task) {
  const auto id = static_cast<TaskId>(graph.tasks.size());
  graph.order[static_cast<std::size_t>(task.queue)].push_back(id);
  if (task.second_queue) graph.order[static_cast<std::size_t>(*task.second_queue)].push_back(id);
  graph.tasks.push_back(std::move(task));
  return id;
}

// Appends a task of `seconds` that occupies and is issued on `resource`.
inline TaskId append(TaskGraph& graph, Resource resource, std::int64_t seconds, std::vector<TaskId> dependencies = {}) {
  return append(
      graph,
      {.work = lasting(seconds), .uses = {resource}, .queue = resource, .dependencies = std::move(dependencies)});
}

// Appends a collective of `seconds` over both link tiers: it holds both queues.
inline TaskId append_two_tier(TaskGraph& graph, std::int64_t seconds, std::vector<TaskId> dependencies = {}) {
  return append(graph, {.work = lasting(seconds),
                        .uses = {Resource::kInter, Resource::kIntra},
                        .queue = Resource::kInter,
                        .second_queue = Resource::kIntra,
                        .dependencies = std::move(dependencies)});
}

}  // namespace sextant
