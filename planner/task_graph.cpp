#include "planner/task_graph.h"

#include <algorithm>
#include <functional>
#include <queue>

#include "models/error.h"

namespace sextant {
namespace {

// Edges of the graph: dependencies plus "the task before me in this queue".
struct Successors {
  std::vector<std::vector<TaskId>> of;  // [task]
  std::vector<int> pending;             // [task] unmet predecessors
};

Successors successors(const TaskGraph& graph) {
  Successors result{std::vector<std::vector<TaskId>>(graph.tasks.size()), std::vector<int>(graph.tasks.size(), 0)};
  const auto add = [&](TaskId before, TaskId after) {
    result.of[before].push_back(after);
    ++result.pending[after];
  };
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    for (const TaskId dependency : graph.tasks[id].dependencies) add(dependency, static_cast<TaskId>(id));
  }
  for (const auto& queue : graph.order) {
    for (std::size_t i = 1; i < queue.size(); ++i) add(queue[i - 1], queue[i]);
  }
  return result;
}

int expected_places(const Task& task, Resource queue) {
  return (task.queue == queue ? 1 : 0) + (task.second_queue == queue ? 1 : 0);
}

}  // namespace

const char* to_text(Phase phase) {
  switch (phase) {
    case Phase::kForward:
      return "forward";
    case Phase::kBackward:
      return "backward";
    case Phase::kUpdate:
      return "update";
  }
  return "?";
}

const char* to_text(TaskKind kind) {
  switch (kind) {
    case TaskKind::kEmbedding:
      return "embedding";
    case TaskKind::kAttentionGather:
      return "attention_gather";
    case TaskKind::kAttention:
      return "attention";
    case TaskKind::kAttentionScatter:
      return "attention_scatter";
    case TaskKind::kRoute:
      return "route";
    case TaskKind::kDispatch:
      return "dispatch";
    case TaskKind::kExpertGather:
      return "expert_gather";
    case TaskKind::kExpert:
      return "expert";
    case TaskKind::kExpertWeightGradient:
      return "expert_weight_gradient";
    case TaskKind::kExpertScatter:
      return "expert_scatter";
    case TaskKind::kCombine:
      return "combine";
    case TaskKind::kUnroute:
      return "unroute";
    case TaskKind::kHead:
      return "head";
    case TaskKind::kBalanceReduce:
      return "balance_reduce";
    case TaskKind::kGradientReduce:
      return "gradient_reduce";
    case TaskKind::kGradientNorm:
      return "gradient_norm";
    case TaskKind::kNormReduce:
      return "norm_reduce";
    case TaskKind::kOptimizer:
      return "optimizer";
  }
  return "?";
}

ChunkRange chunk_range(std::int64_t capacity, int index, int count) {
  return {capacity * index / count, capacity * (index + 1) / count};
}

std::string task_name(const Task& task) {
  std::string name = to_text(task.kind);
  if (task.layer >= 0) name += fmt::format(" l{}", task.layer);
  if (task.phase != Phase::kUpdate) name += fmt::format(" m{}", task.micro_batch);
  if (task.num_chunks > 1) name += fmt::format(" c{}/{}", task.chunk + 1, task.num_chunks);
  if (task.group && task.kind == TaskKind::kGradientReduce) name += fmt::format(" {}", to_text(*task.group));
  return name + " " + to_text(task.phase);
}

std::vector<TaskId> topological_order(const TaskGraph& graph) {
  Successors edges = successors(graph);
  std::priority_queue<TaskId, std::vector<TaskId>, std::greater<>> ready;
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    if (edges.pending[id] == 0) ready.push(static_cast<TaskId>(id));
  }
  std::vector<TaskId> order;
  order.reserve(graph.tasks.size());
  while (!ready.empty()) {
    const TaskId id = ready.top();
    ready.pop();
    order.push_back(id);
    for (const TaskId next : edges.of[id]) {
      if (--edges.pending[next] == 0) ready.push(next);
    }
  }
  SEXTANT_CHECK(order.size() == graph.tasks.size(), "{} of {} tasks lie on a cycle", graph.tasks.size() - order.size(),
                graph.tasks.size());
  return order;
}

void check(const TaskGraph& graph) {
  const auto count = static_cast<TaskId>(graph.tasks.size());
  std::vector<std::array<int, kNumResources>> places(graph.tasks.size());
  for (int q = 0; q < kNumResources; ++q) {
    for (const TaskId id : graph.order[q]) {
      SEXTANT_CHECK(id >= 0 && id < count, "queue {} names task {} of {}", to_text(Resource(q)), id, count);
      ++places[id][q];
    }
  }
  for (TaskId id = 0; id < count; ++id) {
    const Task& task = graph.tasks[id];
    SEXTANT_CHECK(!task.uses.empty(), "{} occupies nothing", task_name(task));
    for (int q = 0; q < kNumResources; ++q) {
      SEXTANT_CHECK(places[id][q] == expected_places(task, Resource(q)), "{} stands {} times in queue {}",
                    task_name(task), places[id][q], to_text(Resource(q)));
    }
    for (const TaskId dependency : task.dependencies) {
      SEXTANT_CHECK(dependency >= 0 && dependency < id, "{}, task {}, depends on task {}", task_name(task), id,
                    dependency);
    }
  }
  static_cast<void>(topological_order(graph));
}

}  // namespace sextant
