// Time of a whole training step of one rank beside the time of its matrix products alone.
//
// The products of one step are recorded and replayed on the same operands. Steps and replays take turns
// and the medians count; times are processor time, which other load on the machine disturbs less.
// Usage: step_bench NETWORK.yaml [micro-batch [sequence]]
#include <algorithm>
#include <ctime>
#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

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

double seconds_on(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double seconds_of(const std::function<void()>& function) {
  const double begin = seconds_on(CLOCK_PROCESS_CPUTIME_ID);
  function();
  return seconds_on(CLOCK_PROCESS_CPUTIME_ID) - begin;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

double thread_seconds() {
  return seconds_on(CLOCK_THREAD_CPUTIME_ID);
}

// The model's kernels between two looks at the clock of the stream's thread.
class TimedKernels : public KernelSource {
 public:
  explicit TimedKernels(KernelSource& kernels) : kernels_(kernels) {}

  [[nodiscard]] TaskKernel bind(const Task& task) override {
    std::vector<double>& times = times_[fmt::format("{} {}", to_text(task.kind), to_text(task.phase))];
    return [this, &times, kernel = kernels_.bind(task)](Stream& stream) {
      stream.enqueue([this] { begin_ = thread_seconds(); });
      kernel(stream);
      stream.enqueue([this, &times] { times.push_back(thread_seconds() - begin_); });
    };
  }

  // By kind and phase, a step's sum of the median task, largest first.
  void print(int num_steps) const {
    std::vector<std::pair<double, std::string>> kinds;
    for (const auto& [name, times] : times_) {
      kinds.emplace_back(median(times) * static_cast<double>(times.size()) / num_steps, name);
    }
    std::sort(kinds.rbegin(), kinds.rend());
    for (const auto& [total_s, name] : kinds) fmt::print("  {:<28} {:>8.2f} ms\n", name, total_s * 1e3);
  }

 private:
  KernelSource& kernels_;
  double begin_ = 0.0;
  std::map<std::string, std::vector<double>> times_;
};

void measure(World& world, const StepShape& step) {
  Transformer<float> transformer(step, world, 1, {});
  const Schedule schedule{.policy = Policy::kSequential,
                          .degrees = std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers)),
                          .gradients = {}};
  const TaskGraph graph = build_step_graph(step, schedule);
  TimedKernels kernels(transformer);
  GraphExecutor executor(graph, topological_order(graph), world.device(), kernels);
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
  for (int turn = 0; turn < kTurns; ++turn) {
    steps.push_back(seconds_of([&] { static_cast<void>(executor.run()); }));
    products.push_back(seconds_of([&] { recording.replay(); }));
  }
  const double step_s = median(steps);
  const double products_s = median(products);
  fmt::print("{}: step {:.2f} ms, its {} products {:.2f} ms ({:.1f} GFLOP/s), ratio {:.3f}\n", step.network.name,
             step_s * 1e3, recording.num_products(), products_s * 1e3, recording.flops() / products_s * 1e-9,
             step_s / products_s);
  kernels.print(kTurns + 2);
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
