// Event-driven execution of a task graph on a cost model.
#pragma once

#include "models/cost_model.h"
#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

enum class Quantile { kLow, kMedian, kHigh };

// Deterministic. Tasks advance at the rate that the set of running tasks allows: 1 / product, over the other resources
// in use, of CostModel::slowdown + CostModel::delay / the task's time alone; of a collective over both tiers, those of
// the tier between nodes. A kernel moreover at what the collectives' CostEstimate::compute_share, times the rate of
// each, leaves of the rank's compute. Without contention this is the FIFO model of the FSMoE paper (spec 4.1). Throws
// ModelError for costs that are not finite, InternalError when the graph dead-locks.
[[nodiscard]] Timeline simulate(const TaskGraph& graph, const CostModel& costs, Quantile quantile = Quantile::kMedian);

}  // namespace sextant
