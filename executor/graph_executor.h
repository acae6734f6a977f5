// Carries a task graph out on real streams: the executing twin of planner/simulator.h.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "executor/runtime/runtime.h"
#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

// Issues the work of one task to `stream`; bound once, called every step.
using TaskKernel = std::function<void(Stream& stream)>;

// Where task kernels come from: the transformer (executor/transformer.h), the profiler, tests.
class KernelSource {
 public:
  virtual ~KernelSource() = default;
  [[nodiscard]] virtual TaskKernel bind(const Task& task) = 0;
};

// One stream per queue that the graph uses. A task's stream waits for the events of its dependencies
// on other queues; a task that holds two queues is issued to its `queue`, and its `second_queue`'s
// stream is held from its start to its end.
class GraphExecutor {
 public:
  // Binds every task. `issue_order` is the host's order (a topological order of the graph; that of
  // simulated start times keeps devices with one hardware queue from stalling).
  GraphExecutor(const TaskGraph& graph, std::vector<TaskId> issue_order, Device& device, KernelSource& kernels);
  ~GraphExecutor();

  // Runs the graph once and returns the measured spans, in seconds since the call. Rethrows the
  // first error of any task; a BackendError names the task.
  [[nodiscard]] Timeline run();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant
