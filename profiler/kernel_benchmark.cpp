#include "profiler/kernel_benchmark.h"

#include <algorithm>
#include <functional>
#include <set>

#include "executor/graph_executor.h"
#include "executor/transformer.h"
#include "models/divisors.h"
#include "models/error.h"
#include "planner/schedule.h"

namespace sextant {
namespace {

using SeriesKey = std::tuple<Operator, Pass, KernelShape>;

SeriesKey key_of(const KernelWork& work) {
  KernelShape shape = work.shape;
  shape.rows = 0;
  return {work.op, work.pass, shape};
}

bool is_valid(const StepShape& step) {
  try {
    validate(step);
    return true;
  } catch (const ConfigError&) {
    return false;
  }
}

// Memory for both ways to run the backward of the experts.
constexpr OverlapOptions kSplit{.split_expert_backward = true};

Schedule uniform_schedule(const StepShape& step, int degree, const OverlapOptions& overlap = {}) {
  return {.policy = Policy::kSequential,
          .degrees = std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers), {degree, degree}),
          .gradients = whole_unit_slices(step, Policy::kSequential),
          .overlap = overlap};
}

// In training other kernels run between two calls of the same one, and its weights and activations have left the
// caches by then. Calls that go round this many layers find them as cold.
constexpr int kLayers = 4;

// A kernel of a layer on each layer in turn.
class RotatingKernel {
 public:
  RotatingKernel(Transformer<float>& transformer, Task task) {
    const int layers = task.layer < 0 ? 1 : kLayers;
    for (int layer = 0; layer < layers; ++layer) {
      if (task.layer >= 0) task.layer = layer;
      kernels_.push_back(transformer.bind(task));
    }
  }

  void operator()(Stream& stream) { kernels_[next_++ % kernels_.size()](stream); }

 private:
  std::vector<TaskKernel> kernels_;  // [layer]
  std::size_t next_ = 0;
};

// Fills every buffer with what a real step leaves there, so that kernels meet numbers of the usual size.
void run_one_step(World& world, Transformer<float>& transformer, const StepShape& step) {
  const auto tokens = static_cast<std::size_t>(step.num_micro_batches * step.micro_batch * step.sequence);
  std::vector<std::int32_t> inputs(tokens), targets(tokens);
  for (std::size_t i = 0; i < tokens; ++i) {
    inputs[i] = static_cast<std::int32_t>((i * 7919) % static_cast<std::size_t>(step.network.vocabulary));
    targets[i] = static_cast<std::int32_t>((i * 104729) % static_cast<std::size_t>(step.network.vocabulary));
  }
  transformer.set_batch(inputs, targets);
  const TaskGraph graph = build_step_graph(step, uniform_schedule(step, 1));
  static_cast<void>(GraphExecutor(graph, topological_order(graph), world.device(), transformer).run());
}

enum class Timed { kExperts, kUpdate, kOthers };

Timed class_of(Operator op) {
  if (op == Operator::kExpert) return Timed::kExperts;
  return op == Operator::kGradientNorm || op == Operator::kOptimizer ? Timed::kUpdate : Timed::kOthers;
}

// Collects cases; a kernel that an earlier case times is left out of later ones.
class CaseBuilder {
 public:
  explicit CaseBuilder(const KernelBenchmarkOptions& options) : options_(options) {}

  void add(const StepShape& step, Timed timed) {
    if (!is_valid(step)) return;
    KernelCase kernel_case{step, {}};
    for (const int degree : timed == Timed::kExperts ? options_.degrees : std::vector<int>{1}) {
      if (degree > step.capacity()) continue;
      add_tasks(kernel_case, uniform_schedule(step, degree), timed);
      if (timed == Timed::kExperts) add_tasks(kernel_case, uniform_schedule(step, degree, kSplit), timed);
    }
    if (!kernel_case.tasks.empty()) cases_.push_back(std::move(kernel_case));
  }

  std::vector<KernelCase> take() { return std::move(cases_); }

 private:
  void add_tasks(KernelCase& kernel_case, const Schedule& schedule, Timed timed) {
    for (const Task& task : build_step_graph(kernel_case.step, schedule).tasks) {
      const auto* work = std::get_if<KernelWork>(&task.work);
      if (work == nullptr || class_of(work->op) != timed) continue;
      if (seen_.insert({key_of(*work), work->shape.rows}).second) kernel_case.tasks.push_back(task);
    }
  }

  const KernelBenchmarkOptions& options_;
  std::set<std::pair<SeriesKey, std::int64_t>> seen_;
  std::vector<KernelCase> cases_;
};

}  // namespace

std::vector<KernelCase> kernel_cases(const Topology& topology, const KernelBenchmarkOptions& options) {
  CaseBuilder builder(options);
  const int ranks = topology.num_ranks();
  const auto add = [&](const Network& network, const ParallelDegrees& degrees, std::int64_t micro_batch, Timed timed) {
    for (const std::int64_t sequence : options.sequences) {
      builder.add({network, ParallelLayout(degrees, topology), micro_batch, 1, sequence, 4}, timed);
    }
  };
  for (const Network& whole : options.networks) {
    Network few = whole;
    few.layers = kLayers;  // layers of one network are alike
    for (const int tp : divisors(ranks)) {
      for (const std::int64_t micro_batch : options.micro_batches) {
        add(few, {.dp = ranks / tp, .tp = tp, .edp = ranks}, micro_batch, Timed::kOthers);
      }
    }
    for (const int ep : divisors(ranks)) {
      for (const int esp : divisors(ranks / ep)) {
        const ParallelDegrees degrees{.dp = ranks, .edp = ranks / ep / esp, .ep = ep, .esp = esp};
        add(few, degrees, options.micro_batches.back(), Timed::kExperts);
      }
    }
    // The update works on all parameters of a rank: the most and the fewest that a layout can give it.
    add(whole, {.dp = ranks, .edp = ranks}, options.micro_batches.front(), Timed::kUpdate);
    for (const int ep : divisors(ranks)) {
      for (const int tp : {1, ranks}) {
        add(whole, {.dp = ranks / tp, .tp = tp, .ep = ep, .esp = ranks / ep}, options.micro_batches.front(),
            Timed::kUpdate);
      }
    }
  }
  return builder.take();
}

KernelBenchmark::KernelBenchmark(const Topology& topology, const KernelBenchmarkOptions& options)
    : repeat_(options.repeat), cases_(kernel_cases(topology, options)) {}

int KernelBenchmark::num_measurements() const {
  std::size_t total = 0;
  for (const KernelCase& kernel_case : cases_) total += kernel_case.tasks.size();
  return static_cast<int>(total);
}

void KernelBenchmark::run_round(World& world, const std::function<void(const std::string&)>& on_measurement) {
  const auto stream = world.device().make_stream("profile");
  for (const KernelCase& kernel_case : cases_) {
    Transformer<float> transformer(kernel_case.step, world, 1, {.overlap = kSplit});
    run_one_step(world, transformer, kernel_case.step);
    for (const Task& task : kernel_case.tasks) {
      const auto& work = std::get<KernelWork>(task.work);
      on_measurement(fmt::format("{} {} {} rows", to_text(work.op), to_text(work.pass), work.shape.rows));
      RotatingKernel kernel(transformer, task);
      calls_[key_of(work)][work.shape.rows].run(world, *stream, std::ref(kernel), repeat_);
    }
  }
}

std::vector<KernelSeries> KernelBenchmark::series() const {
  std::vector<KernelSeries> result;
  for (const auto& [key, calls_of_rows] : calls_) {
    KernelSeries series{std::get<0>(key), std::get<1>(key), std::get<2>(key), {}};
    for (const auto& [rows, call] : calls_of_rows) series.points.push_back({rows, call.point()});
    result.push_back(std::move(series));
  }
  return result;
}

}  // namespace sextant
