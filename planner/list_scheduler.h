// Issue orders by list scheduling: whenever a queue is free, the most urgent task that is ready starts.
#pragma once

#include <vector>

#include "models/cost_model.h"
#include "planner/task_graph.h"

namespace sextant {

// Time of every task on `costs`, alone. [task]
[[nodiscard]] std::vector<double> task_seconds(const TaskGraph& graph, const CostModel& costs);

// Longest path from the start of each task to the end of the graph, launch latencies included (the upward rank of
// Topcuoglu et al., HEFT, 2002). [task]; ignores the order of the queues.
[[nodiscard]] std::vector<double> upward_ranks(const TaskGraph& graph, const std::vector<double>& task_seconds,
                                               Seconds launch_latency);

struct ListPriorities {
  std::vector<double> task_seconds;  // [task]
  std::vector<double> urgency;       // [task] larger is more urgent; ties: lower id
};

// Greedy and non-preemptive: no queue waits while one of its tasks is ready, so a long task of no urgency
// can delay an urgent one. The result keeps every dependency and never dead-locks: it is a schedule's own
// order of starts. Deterministic. The graph's own order is not read.
[[nodiscard]] QueueOrders list_schedule(const TaskGraph& graph, const ListPriorities& priorities,
                                        Seconds launch_latency);

}  // namespace sextant
