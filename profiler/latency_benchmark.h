// Delay between the end of a task and the start of one on another queue that waited for it.
#pragma once

#include "executor/runtime/runtime.h"
#include "models/units.h"

namespace sextant {

// Runs a chain of empty tasks that alternates between two queues, on all ranks at once; the slowest
// rank's time per hop, median over the runs. Collective over `world`.
[[nodiscard]] Seconds measure_launch_latency(World& world, int hops, int runs);

}  // namespace sextant
