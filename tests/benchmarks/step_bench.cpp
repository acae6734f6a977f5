// Time of a whole training step of one rank beside the time of its matrix products alone.
//
// The products of one step are recorded and replayed on the same operands. Steps and replays take turns
// and the medians count; times are processor time, which other load on the machine disturbs less.
// Usage: step_bench NETWORK.yaml [micro-batch [sequence]]
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <ctime>
#include <functional>
#include <limits>
#include <string>
#include <vector>

#include "executor/graph_executor.h"
#include "executor/layers/gemm_recording.h"
#include "executor/runtime/runtime.h"
#include "executor/transformer.h"
#include "models/error.h"
#include "models/network.h"
#include "planner/schedule.h"
#include "planner/task_graph.h"

namespace sextant {
namespace {

constexpr int kTurns = 15;

double process_seconds() {
  timespec now{};
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& function) {
  const double begin = process_seconds();
  function();
  return process_seconds() - begin;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

struct KindTime {
  std::string name;
  double total_s = 0.0;
};

// Time by kind and phase, largest first; of each task the shortest of all steps.
std::vector<KindTime> by_kind(const TaskGraph& graph, const std::vector<double>& shortest_s) {
  std::vector<KindTime> kinds;
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    const Task& task = graph.tasks[i];
    const std::string name = fmt::format("{} {}", to_text(task.kind), to_text(task.phase));
    auto entry = std::find_if(kinds.begin(), kinds.end(), [&](const KindTime& kind) { return kind.name == name; });
    if (entry == kinds.end()) entry = kinds.insert(kinds.end(), {name, 0.0});
    entry->total_s += shortest_s[i];
  }
  std::sort(kinds.begin(), kinds.end(), [](const KindTime& a, const KindTime& b) { return a.total_s > b.total_s; });
  return kinds;
}

void measure(World& world, const StepShape& step) {
  Transformer<float> transformer(step, world, 1, {});
  const Schedule schedule{.policy = Policy::kSequential,
                          .degrees = std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers)),
                          .gradients = {}};
  const TaskGraph graph = build_step_graph(step, schedule);
  GraphExecutor executor(graph, topological_order(graph), world.device(), transformer);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(step.global_batch() * step.sequence));
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    tokens[i] = static_cast<std::int32_t>(i * 7919 % static_cast<std::size_t>(step.network.vocabulary));
  }
  transformer.set_batch(tokens, tokens);
  static_cast<void>(executor.run());

  GemmRecording recording;
  static_cast<void>(executor.run());
  recording.stop();
  std::vector<double> steps, products;
  std::vector<double> shortest_s(graph.tasks.size(), std::numeric_limits<double>::infinity());
  for (int turn = 0; turn < kTurns; ++turn) {
    Timeline timeline;
    steps.push_back(seconds_of([&] { timeline = executor.run(); }));
    products.push_back(seconds_of([&] { recording.replay(); }));
    for (std::size_t i = 0; i < shortest_s.size(); ++i) {
      shortest_s[i] = std::min(shortest_s[i], (timeline.spans[i].end - timeline.spans[i].start).value());
    }
  }
  const double step_s = median(steps);
  const double products_s = median(products);
  fmt::print("{}: step {:.2f} ms, its {} products {:.2f} ms ({:.1f} GFLOP/s), ratio {:.3f}\n", step.network.name,
             step_s * 1e3, recording.num_products(), products_s * 1e3, recording.flops() / products_s * 1e-9,
             step_s / products_s);
  for (const KindTime& kind : by_kind(graph, shortest_s)) fmt::print("  {:<28} {:>8.2f} ms\n", kind.name, kind.total_s * 1e3);
}

int run(int argc, char** argv) {
  if (argc < 2) {
    fmt::print(stderr, "usage: {} NETWORK.yaml [micro-batch [sequence]]\n", argv[0]);
    return 2;
  }
  const StepShape step{.network = load_network(argv[1]),
                       .layout = ParallelLayout({}, {1, 1}),
                       .micro_batch = argc > 2 ? std::stoi(argv[2]) : 8,
                       .sequence = argc > 3 ? std::stoi(argv[3]) : 128};
  return launch(Backend::kLocal, {.num_ranks = 1, .topology = {}}, [&](World& world) {
    measure(world, step);
    return 0;
  });
}

}  // namespace
}  // namespace sextant

int main(int argc, char** argv) {
  try {
    return sextant::run(argc, argv);
  } catch (const std::exception& error) {
    fmt::print(stderr, "error: {}\n", error.what());
    return 2;
  }
}
