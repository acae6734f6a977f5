// Times of the kernels of a network, run through the transformer that trains it.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/network.h"
#include "planner/task_graph.h"
#include "profiler/repeat.h"

namespace sextant {

struct KernelBenchmarkOptions {
  std::vector<Network> networks;
  std::int64_t sequence = 128;
  std::vector<std::int64_t> micro_batches;  // ascending
  std::vector<int> degrees;                 // chunk counts at which experts are timed
  RepeatOptions repeat;
};

// One transformer to build and the tasks to time on it.
struct KernelCase {
  StepShape step;
  bool experts_only = false;  // its other kernels are timed by another case
};
// Cases that cover every layout of `topology`'s ranks: attention and routing by tp and micro-batch,
// experts by (ep, esp). Networks or layouts that do not divide are left out.
[[nodiscard]] std::vector<KernelCase> kernel_cases(const Topology& topology, const KernelBenchmarkOptions& options);

// Kernels that a case times: the tasks of its step graph at each degree, one per distinct work.
[[nodiscard]] std::vector<Task> tasks_to_time(const KernelCase& kernel_case, const std::vector<int>& degrees);

// Collective over `world`. Series by ascending rows; `on_measurement` is called before each one.
[[nodiscard]] std::vector<KernelSeries> measure_kernels(World& world, const KernelBenchmarkOptions& options,
                                                        const std::function<void(const std::string&)>& on_measurement);

}  // namespace sextant
