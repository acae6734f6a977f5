// A training step as a task graph: the one description that is simulated and executed.
//
// A task belongs to one queue (two, if its collective spans both link tiers). A queue runs its tasks
// one after the other in `TaskGraph::order`; a task starts when its turn has come in every queue it
// is in and all its dependencies have ended.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "models/cost_model.h"
#include "models/layout.h"
#include "models/work.h"

namespace sextant {

enum class Phase { kForward, kBackward, kUpdate };
[[nodiscard]] const char* to_text(Phase phase);

enum class TaskKind {
  kEmbedding,
  kAttentionGather,  // all-gather over tp along the sequence; backward: before attention', of the output gradient
  kAttention,
  kAttentionScatter,      // reduce-scatter over tp
  kRoute,                 // residual, norm, gate, order
  kDispatch,              // all-to-all over ep, one chunk
  kExpertGather,          // all-gather over esp, one chunk
  kExpert,                // one chunk; backward: the input gradient only, where the schedule splits it
  kExpertWeightGradient,  // backward of one chunk, the other half
  kExpertScatter,         // reduce-scatter over esp, one chunk
  kCombine,               // all-to-all over ep, one chunk
  kUnroute,               // inverse order, residual
  kHead,                  // norm, logits, loss
  kBalanceReduce,         // all-reduce of the expert loads of all layers, for the auxiliary loss
  kGradientReduce,        // all-reduce of one slice of gradients
  kGradientNorm,
  kNormReduce,  // all-reduce of the squared gradient norm and the loss
  kOptimizer,
};
inline constexpr int kNumTaskKinds = 18;
[[nodiscard]] const char* to_text(TaskKind kind);

using TaskId = std::int32_t;
inline constexpr TaskId kNoTask = -1;

// Rows [begin, end) of the capacity of every expert that chunk `index` of `count` carries. Chunks
// differ by at most one row, so the capacity need not be a multiple of any degree.
struct ChunkRange {
  std::int64_t begin = 0;
  std::int64_t end = 0;
  [[nodiscard]] std::int64_t rows() const { return end - begin; }
};
[[nodiscard]] ChunkRange chunk_range(std::int64_t capacity, int index, int count);

struct Task {
  TaskKind kind = TaskKind::kExpert;
  Phase phase = Phase::kForward;
  int layer = 0;  // -1 where no layer is meant
  int micro_batch = 0;
  int chunk = 0;
  int num_chunks = 1;
  Work work = {};
  std::optional<GroupKind> group = {};  // of a collective
  std::vector<Resource> uses = {};      // what it occupies; never empty
  Resource queue =
      Resource::kCompute;  // where it is issued (a policy may issue a collective elsewhere than on its link)
  std::optional<Resource> second_queue = {};  // held as well
  // kGradientReduce: elements [begin, end) of the group's flat gradient buffer (order of readiness).
  std::int64_t gradient_begin = 0;
  std::int64_t gradient_end = 0;
  std::vector<TaskId> dependencies = {};  // tasks of other queues or earlier in the same one
};
// "E l3 m0 c1/4 bwd" style name for traces and messages: kind, layer, micro-batch, chunk, phase.
[[nodiscard]] std::string task_name(const Task& task);

using QueueOrders = std::array<std::vector<TaskId>, kNumResources>;  // [queue] tasks in order of issue

struct TaskGraph {
  std::vector<Task> tasks;  // a dependency has a lower id than the task that depends on it
  QueueOrders order;
};

// Throws InternalError unless every task is exactly once in each of its queues, dependencies exist
// and the graph with the queue orders is free of cycles.
void check(const TaskGraph& graph);
// All tasks in an order that respects dependencies and queues (ties: lowest id). The host issues in
// this order or in that of simulated start times.
[[nodiscard]] std::vector<TaskId> topological_order(const TaskGraph& graph);

}  // namespace sextant
