#include "profiler/block_slow_down.h"

#include <algorithm>
#include <functional>
#include <utility>
#include <vector>

#include "planner/simulator.h"
#include "planner/task_graph.h"

namespace sextant {
namespace {

TaskGraph block_graph() {
  TaskGraph graph;
  const auto append = [&](Resource queue, Work work, std::vector<TaskId> dependencies) {
    const auto id = static_cast<TaskId>(graph.tasks.size());
    graph.tasks.push_back({.work = work, .uses = {queue}, .queue = queue, .dependencies = std::move(dependencies)});
    graph.order[static_cast<std::size_t>(queue)].push_back(id);
    return id;
  };
  std::vector<TaskId> chunks;
  for (int i = 0; i < kBlockChunks; ++i) chunks.push_back(append(Resource::kIntra, CollectiveWork{}, {}));
  for (TaskId& chunk : chunks) chunk = append(Resource::kCompute, KernelWork{}, {chunk});
  for (const TaskId chunk : chunks) append(Resource::kIntra, CollectiveWork{}, {chunk});
  return graph;
}

// Prices the tasks of block_graph.
class BlockCosts : public CostModel {
 public:
  BlockCosts(const BlockTimes& times, Slowed slowed, const SlowDown& slow_down)
      : times_(times), slowed_(slowed), slow_down_(slow_down) {}
  [[nodiscard]] CostEstimate kernel(const KernelWork& /*work*/) const override { return {.time = times_.work}; }
  [[nodiscard]] CostEstimate collective(const CollectiveWork& /*work*/) const override {
    return {.time = times_.exchange, .compute_share = times_.compute_share};
  }
  [[nodiscard]] double slowdown(Resource victim, Resource /*aggressor*/) const override {
    return spares(victim) ? 1.0 : slow_down_.factor;
  }
  [[nodiscard]] Seconds delay(Resource victim, Resource /*aggressor*/) const override {
    return spares(victim) ? Seconds(0.0) : slow_down_.delay;
  }

 private:
  [[nodiscard]] bool spares(Resource victim) const {
    return victim == Resource::kCompute && slowed_ == Slowed::kExchange;
  }

  BlockTimes times_;
  Slowed slowed_;
  SlowDown slow_down_;
};

// The smallest value in [low, high] at which the block takes as long as measured, by halving; of what the largest value
// adds to the block at most 90 %, since beyond that the block hardly tells values apart.
double value_that_explains(const BlockTimes& times, Slowed slowed, double low, double high,
                           const std::function<SlowDown(double)>& slow_down_of) {
  const TaskGraph graph = block_graph();
  const auto simulated = [&](double value) {
    return simulate(graph, BlockCosts(times, slowed, slow_down_of(value))).makespan();
  };
  const Seconds least = simulated(low), most = simulated(high);
  const Seconds target = std::min(times.block, least + 0.9 * (most - least));
  if (least >= target) return low;
  const double precision = 1e-4 * (high - low);
  while (high - low > precision) {
    const double middle = 0.5 * (low + high);
    (simulated(middle) < target ? low : high) = middle;
  }
  return high;
}

}  // namespace

Seconds unslowed_block(const BlockTimes& times) {
  return simulate(block_graph(), BlockCosts(times, Slowed::kBoth, {})).makespan();
}

SlowDown slow_down_in_blocks(const BlockTimes& small, const BlockTimes& large, Slowed slowed) {
  constexpr double kMostFactor = 8.0;
  constexpr double kMostDelay = 0.05;
  SlowDown result;
  constexpr int kMostRounds = 100;
  for (int round = 0; round < kMostRounds; ++round) {
    const SlowDown last = result;
    result.delay = Seconds(value_that_explains(small, slowed, 0.0, kMostDelay, [&](double delay) {
      return SlowDown{result.factor, Seconds(delay)};
    }));
    result.factor = value_that_explains(large, slowed, 1.0, kMostFactor, [&](double factor) {
      return SlowDown{factor, result.delay};
    });
    if (result.factor == last.factor && result.delay == last.delay) break;
  }
  return result;
}

}  // namespace sextant
