// Times of every collective on every group shape that some layout of these ranks uses.
#pragma once

#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "profiler/progress.h"
#include "profiler/repeat.h"

namespace sextant {

struct CollectiveBenchmarkOptions {
  std::vector<Bytes> buffers;  // convention of models/work.h, ascending
  RepeatOptions repeat;
  double cores_per_rank = 2.0;  // measure_cores_per_rank
};

// Number of measurements that measure_collectives makes.
[[nodiscard]] int count_collective_measurements(const Topology& topology, const CollectiveBenchmarkOptions& options);

// Calls go round buffers of as much memory as the largest has, so that small ones are as cold as in training.
// Collective over `world`. All groups of one shape run at once, as in training. `topology` gives the
// shapes; `on_measurement` is called before each one with its name.
[[nodiscard]] std::vector<CollectiveSeries> measure_collectives(
    World& world, const CollectiveBenchmarkOptions& options,
    const std::function<void(const std::string&)>& on_measurement);

}  // namespace sextant
