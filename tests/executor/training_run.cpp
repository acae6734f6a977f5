#include "tests/executor/training_run.h"

#include <functional>
#include <mutex>
#include <numeric>
#include <random>
#include <span>

#include "executor/graph_executor.h"
#include "executor/runtime/runtime.h"
#include "models/error.h"
#include "planner/task_graph.h"

namespace sextant {
namespace {

// What replica `replica` of the data-parallel ones sees of the job's tokens.
std::vector<std::int32_t> tokens_of_replica(const StepShape& step, std::span<const std::int32_t> all, int replica) {
  std::vector<std::int32_t> tokens;
  const std::int64_t own = step.micro_batch * step.sequence;
  for (int m = 0; m < step.num_micro_batches; ++m) {
    const auto part = all.subspan(static_cast<std::size_t>((m * step.layout.degrees().dp + replica) * own),
                                  static_cast<std::size_t>(own));
    tokens.insert(tokens.end(), part.begin(), part.end());
  }
  return tokens;
}

// Element of the whole tensor that is element `index` of a slice.
std::size_t whole_index(const Parameter& p, std::int64_t index) {
  const std::int64_t columns = p.extent.back();
  const std::int64_t row = index / columns + (p.shape.size() > 1 ? p.begin.front() : 0);
  return static_cast<std::size_t>(row * p.shape.back() + p.begin.back() + index % columns);
}

// Puts what the ranks have together; they call it concurrently.
class Collector {
 public:
  template <typename T>
  void add(TrainingStep& step, const Transformer<T>& model, const World& world) {
    const std::lock_guard lock(mutex_);
    const StepResult result = model.result();
    if (world.rank() == 0) step.result = result;
    step.dropped_fraction += result.dropped_fraction / world.size();
    for (const Parameter& p : model.parameters()) {
      auto [tensor, is_new] = step.gradients.try_emplace(p.name);
      const std::int64_t size = std::accumulate(p.shape.begin(), p.shape.end(), std::int64_t{1}, std::multiplies<>());
      if (is_new) tensor->second.assign(static_cast<std::size_t>(size), kMissing);
      const std::span<const T> gradient = model.gradient(p);
      for (std::size_t i = 0; i < gradient.size(); ++i) {
        double& element = tensor->second[whole_index(p, static_cast<std::int64_t>(i))];
        const double value = static_cast<double>(gradient[i]);
        SEXTANT_CHECK(element == kMissing || element == value, "replicas of {} differ: {} and {}", p.name, element,
                      value);
        element = value;
      }
    }
  }

 private:
  static constexpr double kMissing = -1e300;
  std::mutex mutex_;
};

template <typename T>
void run_rank(World& world, const TrainingCase& c, std::vector<TrainingStep>& steps, Collector& collector) {
  Transformer<T> model(c.step, world, c.seed,
                       {.optimizer = c.optimizer, .sources = c.sources, .overlap = c.schedule.overlap});
  const TaskGraph graph = build_step_graph(c.step, c.schedule);
  GraphExecutor executor(graph, topological_order(graph), world.device(), model);
  const int replica = world.rank() / c.step.layout.degrees().tp;
  for (int i = 0; i < c.steps; ++i) {
    model.set_batch(tokens_of_replica(c.step, random_tokens(c.step, c.seed, 2 * i), replica),
                    tokens_of_replica(c.step, random_tokens(c.step, c.seed, 2 * i + 1), replica));
    static_cast<void>(executor.run());
    collector.add(steps[static_cast<std::size_t>(i)], model, world);
  }
}

}  // namespace

Schedule plain_schedule(const StepShape& step, Policy policy) {
  return {.policy = policy,
          .degrees = std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers)),
          .gradients = whole_unit_slices(step, policy)};
}

std::vector<std::int32_t> random_tokens(const StepShape& step, std::uint64_t seed, int index) {
  std::mt19937_64 generator(seed * 1000003 + static_cast<std::uint64_t>(index));
  std::uniform_int_distribution<std::int32_t> token(0, static_cast<std::int32_t>(step.network.vocabulary) - 1);
  std::vector<std::int32_t> tokens(static_cast<std::size_t>(step.global_batch() * step.sequence));
  for (std::int32_t& t : tokens) t = token(generator);
  return tokens;
}

template <typename T>
std::vector<TrainingStep> run_training(const TrainingCase& c) {
  std::vector<TrainingStep> steps(static_cast<std::size_t>(c.steps));
  Collector collector;
  const LaunchOptions options{.num_ranks = c.step.layout.world_size(), .topology = c.step.layout.topology()};
  launch(Backend::kLocal, options, [&](World& world) {
    run_rank<T>(world, c, steps, collector);
    return 0;
  });
  return steps;
}

template std::vector<TrainingStep> run_training<float>(const TrainingCase&);
template std::vector<TrainingStep> run_training<double>(const TrainingCase&);

}  // namespace sextant
