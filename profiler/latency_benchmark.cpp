#include "profiler/latency_benchmark.h"

#include <algorithm>
#include <vector>

#include "executor/graph_executor.h"
#include "models/error.h"
#include "profiler/repeat.h"

namespace sextant {
namespace {

class EmptyKernels : public KernelSource {
 public:
  TaskKernel bind(const Task&) override {
    return [](Stream& stream) { stream.enqueue([] {}); };
  }
};

TaskGraph alternating_chain(int hops) {
  TaskGraph graph;
  for (int i = 0; i < hops; ++i) {
    const Resource queue = i % 2 == 0 ? Resource::kCompute : Resource::kIntra;
    Task task{.kind = TaskKind::kExpert, .uses = {queue}, .queue = queue};
    if (i > 0) task.dependencies = {i - 1};
    graph.order[static_cast<std::size_t>(queue)].push_back(i);
    graph.tasks.push_back(std::move(task));
  }
  return graph;
}

}  // namespace

Seconds measure_launch_latency(World& world, int hops, int runs) {
  SEXTANT_CHECK(hops >= 2 && runs >= 1, "{} hops, {} runs", hops, runs);
  const TaskGraph graph = alternating_chain(hops);
  EmptyKernels kernels;
  GraphExecutor executor(graph, topological_order(graph), world.device(), kernels);
  const auto stream = world.device().make_stream("latency");
  // One call of `measure` is one run of the chain; it runs on its own streams, the host waits for it.
  const RepeatOptions options{.repeats = runs, .block_time = Seconds(0.0), .max_calls = 1};
  const auto run_chain = [&](Stream&) { static_cast<void>(executor.run()); };
  return measure(world, *stream, run_chain, options).median / static_cast<double>(hops);
}

}  // namespace sextant
