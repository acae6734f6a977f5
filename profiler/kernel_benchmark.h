// Times of the kernels of a network, run through the transformer that trains it.
#pragma once

#include <functional>
#include <map>
#include <string>
#include <tuple>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/network.h"
#include "planner/task_graph.h"
#include "profiler/repeat.h"

namespace sextant {

struct KernelBenchmarkOptions {
  std::vector<Network> networks;
  std::vector<std::int64_t> sequences = {128};
  std::vector<std::int64_t> micro_batches;  // ascending
  std::vector<int> degrees;                 // chunk counts at which experts are timed
  RepeatOptions repeat;
};

// One transformer to build and the tasks to time on it: tasks of its step graph, one per distinct work.
struct KernelCase {
  StepShape step;
  std::vector<Task> tasks;
};
// Cases that cover every layout of `topology`'s ranks: attention and routing by tp and micro-batch,
// experts by (ep, esp) and degree, the update by parameters; no kernel twice. What does not divide is left out.
[[nodiscard]] std::vector<KernelCase> kernel_cases(const Topology& topology, const KernelBenchmarkOptions& options);

// The measurement of those cases, in rounds (TimedCall).
class KernelBenchmark {
 public:
  KernelBenchmark(const Topology& topology, const KernelBenchmarkOptions& options);

  // Of a round.
  [[nodiscard]] int num_measurements() const;
  // Collective over `world`; `on_measurement` is called before each one.
  void run_round(World& world, const std::function<void(const std::string&)>& on_measurement);
  // By ascending rows; of all rounds so far.
  [[nodiscard]] std::vector<KernelSeries> series() const;

 private:
  using SeriesKey = std::tuple<Operator, Pass, KernelShape>;

  RepeatOptions repeat_;
  std::vector<KernelCase> cases_;
  std::map<SeriesKey, std::map<std::int64_t, TimedCall>> calls_;  // by rows
};

}  // namespace sextant
