// Timelines in the Chrome trace event format, for chrome://tracing and ui.perfetto.dev.
#pragma once

#include <span>
#include <string>

#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

// One lane group of the trace: a rank, or its prediction.
struct TraceProcess {
  std::string name;
  int pid = 0;
  int sort_index = 0;  // from top to bottom
  const Timeline* timeline = nullptr;
};

// Complete events in microseconds, one thread a queue; a task that holds two queues is drawn in both.
// Arguments of an event: kind, phase, layer, micro_batch, chunk, and flops or bytes.
// REQUIRES: every timeline is one of `graph`.
[[nodiscard]] std::string chrome_trace(const TaskGraph& graph, int element_bytes,
                                       std::span<const TraceProcess> processes);

}  // namespace sextant
