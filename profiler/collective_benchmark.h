// Times of every collective on every group shape that some layout of these ranks uses.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <utility>
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

// Their measurement, in rounds (TimedCall). All groups of one shape run at once, as in training; calls go round buffers
// of as much memory as the largest has, so that small ones are as cold as there.
class CollectiveBenchmark {
 public:
  // `topology` gives the group shapes.
  CollectiveBenchmark(const Topology& topology, CollectiveBenchmarkOptions options);

  // Of a round.
  [[nodiscard]] int num_measurements() const;
  // Collective over `world`; `on_measurement` is called before each one with its name.
  void run_round(World& world, const std::function<void(const std::string&)>& on_measurement);
  // Of all rounds so far; compute shares are medians over the rounds.
  [[nodiscard]] std::vector<CollectiveSeries> series() const;

 private:
  struct Measured {
    TimedCall call;
    std::vector<double> compute_shares;  // [round]
  };
  using Key = std::pair<GroupShape, Collective>;

  CollectiveBenchmarkOptions options_;
  std::map<GroupShape, std::vector<int>> shapes_;    // one way to cut the ranks into such groups: colour by rank
  std::map<Key, std::map<Bytes, Measured>> series_;  // by buffer
};

}  // namespace sextant
