// The collectives of a step: which buffers they carry, in which group.
#pragma once

#include "executor/graph_executor.h"
#include "executor/transformer/state.h"
#include "planner/task_graph.h"

namespace sextant {

// REQUIRES: task.group. The kernel issues nothing where the task carries no elements.
template <typename T>
[[nodiscard]] TaskKernel bind_collective(TransformerState<T>& state, const Task& task);

}  // namespace sextant
