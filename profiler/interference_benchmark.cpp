#include "profiler/interference_benchmark.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <memory>
#include <utility>

#include "executor/device_buffer.h"
#include "models/error.h"
#include "models/statistics.h"
#include "planner/simulator.h"
#include "planner/task_graph.h"
#include "profiler/processor.h"

namespace sextant {
namespace {

constexpr std::size_t kTinyMessage = 1024;  // elements a rank sends
constexpr std::array<std::size_t, 2> kMessages = {32 * 1024,
                                                  512 * 1024};  // 128 KiB and 2 MiB: a small and a large chunk
constexpr Seconds kWork(2e-3);                                  // processor time of one unit of work

// All-to-alls of `elements` a rank over one group.
class Exchange {
 public:
  Exchange(World& world, Communicator& group, std::size_t elements)
      : group_(group),
        share_(elements / static_cast<std::size_t>(group.size())),
        send_(world.device(), static_cast<std::int64_t>(elements)),
        receive_(world.device(), static_cast<std::int64_t>(elements)) {}

  void operator()(Stream& stream) const {
    group_.all_to_all(stream, send_.data(), receive_.data(), share_, DataType::kFloat32);
  }

 private:
  Communicator& group_;
  std::size_t share_;
  DeviceBuffer<float> send_;
  DeviceBuffer<float> receive_;
};

// The ranks that a benchmark of one tier exchanges with: those of the own node, or one of each node.
std::unique_ptr<Communicator> tier_group(World& world, Resource tier) {
  const Topology topology = world.topology();
  const int node = topology.node_of(world.rank());
  return world.communicator().split(tier == Resource::kIntra ? node : world.rank() % topology.devices_per_node);
}

// ---- a pipelined block, as a schedule runs it: kChunks of exchange, work, exchange back ----

constexpr int kChunks = 8;

using Call = std::function<void(Stream&)>;

// Time of the block on the slowest rank; what `work` issues goes to the stream `side`.
Seconds run_block(World& world, Stream& side, Stream& link, const Call& exchange, const Call& work) {
  std::vector<std::unique_ptr<Event>> arrived, worked;
  world.communicator().barrier(link);
  link.synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kChunks; ++i) {
    exchange(link);
    link.record(*arrived.emplace_back(world.device().make_event()));
    side.wait(*arrived.back());
    work(side);
    side.record(*worked.emplace_back(world.device().make_event()));
  }
  for (const auto& event : worked) {
    link.wait(*event);
    exchange(link);
  }
  link.synchronize();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return Seconds(slowest_rank(world, {elapsed.count()}).front());
}

TaskGraph block_graph() {
  TaskGraph graph;
  const auto append = [&](Resource queue, Work work, std::vector<TaskId> dependencies) {
    const auto id = static_cast<TaskId>(graph.tasks.size());
    graph.tasks.push_back({.work = work, .uses = {queue}, .queue = queue, .dependencies = std::move(dependencies)});
    graph.order[static_cast<std::size_t>(queue)].push_back(id);
    return id;
  };
  std::vector<TaskId> chunks;
  for (int i = 0; i < kChunks; ++i) chunks.push_back(append(Resource::kIntra, CollectiveWork{}, {}));
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

// What `exchange` and `work`, one after the other and in a block, take. compute_share stays 0.
BlockTimes measure_block(World& world, const Call& exchange, const Call& work, const RepeatOptions& options) {
  const auto side = world.device().make_stream("side"), link = world.device().make_stream("link");
  static_cast<void>(run_block(world, *side, *link, exchange, work));  // warms up
  std::vector<double> works, exchanges, blocks;  // in turn, so that a machine that gets slower slows all three
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    works.push_back(time_block(world, *side, work, kChunks).value());
    exchanges.push_back(time_block(world, *link, exchange, 2 * kChunks).value());
    blocks.push_back(run_block(world, *side, *link, exchange, work).value());
  }
  return {.work = Seconds(quantile(std::move(works), 0.5)),
          .exchange = Seconds(quantile(std::move(exchanges), 0.5)),
          .block = Seconds(quantile(std::move(blocks), 0.5))};
}

using BlockPair = std::array<BlockTimes, kMessages.size()>;  // of small and large exchanges

struct BlockConditions {
  Seconds synchronization;
  double cores_per_rank;
};

// Exchanges of one tier with work between them.
BlockPair measure_work_blocks(World& world, Communicator& group, const BlockConditions& with,
                              const RepeatOptions& options) {
  const BusyWork work(world, kWork);
  const Call issue_work = [&](Stream& stream) { stream.enqueue(work); };
  const ComputeShareBenchmark shares(world, with.cores_per_rank);
  const auto stream = world.device().make_stream("exchange");
  BlockPair blocks;
  for (std::size_t size = 0; size < kMessages.size(); ++size) {
    const Exchange exchange(world, group, kMessages[size]);
    blocks[size] = measure_block(world, std::cref(exchange), issue_work, options);
    blocks[size].exchange = blocks[size].exchange + with.synchronization;
    blocks[size].compute_share = shares.measure(*stream, std::cref(exchange), blocks[size].exchange, options);
  }
  return blocks;
}

// Exchanges between nodes with exchanges inside them in the place of work.
BlockPair measure_tier_blocks(World& world, Communicator& intra, Communicator& inter, const BlockConditions& with,
                              const RepeatOptions& options) {
  BlockPair blocks;
  for (std::size_t size = 0; size < kMessages.size(); ++size) {
    const Exchange inside(world, intra, kMessages[size]), between(world, inter, kMessages[size]);
    blocks[size] = measure_block(world, std::cref(between), std::cref(inside), options);
    blocks[size].work = blocks[size].work + with.synchronization;
    blocks[size].exchange = blocks[size].exchange + with.synchronization;
  }
  return blocks;
}

}  // namespace

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

Seconds measure_synchronization(World& world, const RepeatOptions& options) {
  if (world.size() == 1) return Seconds(0.0);
  const BusyWork work(world, kWork);
  const Exchange exchange(world, world.communicator(), kTinyMessage);
  const auto stream = world.device().make_stream("synchronization");
  const auto issue_work = [&](Stream& s) { s.enqueue(work); };
  const auto issue_both = [&](Stream& s) {
    s.enqueue(work);
    exchange(s);
  };
  const int calls = std::max(1, static_cast<int>(options.block_time / kWork));
  std::vector<double> waits;  // of three blocks in turn, so that a machine that gets slower slows all of them
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    const Seconds both = time_block(world, *stream, issue_both, calls);
    const Seconds alone =
        time_block(world, *stream, issue_work, calls) + time_block(world, *stream, std::cref(exchange), calls);
    waits.push_back((both - alone).value());
  }
  return Seconds(std::max(0.0, quantile(std::move(waits), 0.5)));
}

std::vector<Contention> measure_contention(World& world, Seconds synchronization, double cores_per_rank,
                                           const RepeatOptions& options) {
  std::vector<Contention> result;
  const Topology topology = world.topology();
  const BlockConditions with{synchronization, cores_per_rank};
  const auto intra = tier_group(world, Resource::kIntra), inter = tier_group(world, Resource::kInter);
  const auto append = [&](Resource victim, Resource aggressor, const SlowDown& slow_down) {
    result.push_back({victim, aggressor, slow_down.factor, slow_down.delay});
  };
  const auto beside_work = [&](Resource tier, Communicator& group) {
    const BlockPair blocks = measure_work_blocks(world, group, with, options);
    append(tier, Resource::kCompute, slow_down_in_blocks(blocks[0], blocks[1], Slowed::kExchange));
  };
  if (topology.devices_per_node > 1) beside_work(Resource::kIntra, *intra);
  if (topology.nodes > 1) beside_work(Resource::kInter, *inter);
  if (topology.devices_per_node > 1 && topology.nodes > 1) {
    const BlockPair blocks = measure_tier_blocks(world, *intra, *inter, with, options);
    const SlowDown mutual = slow_down_in_blocks(blocks[0], blocks[1], Slowed::kBoth);
    append(Resource::kIntra, Resource::kInter, mutual);
    append(Resource::kInter, Resource::kIntra, mutual);
  }
  return result;
}

Interference measure_interference(World& world, double cores_per_rank, const RepeatOptions& options) {
  const Seconds synchronization = measure_synchronization(world, options);
  return {synchronization, measure_contention(world, synchronization, cores_per_rank, options)};
}

Interference median_of(const std::vector<Interference>& rounds) {
  SEXTANT_CHECK(!rounds.empty(), "no round of interference was measured");
  std::vector<double> waits;
  for (const Interference& round : rounds) waits.push_back(round.synchronization.value());
  Interference result{Seconds(quantile(std::move(waits), 0.5)), rounds.front().contention};
  for (std::size_t pair = 0; pair < result.contention.size(); ++pair) {
    std::vector<double> factors, delays;
    for (const Interference& round : rounds) {
      factors.push_back(round.contention.at(pair).factor);
      delays.push_back(round.contention.at(pair).delay.value());
    }
    result.contention[pair].factor = quantile(std::move(factors), 0.5);
    result.contention[pair].delay = Seconds(quantile(std::move(delays), 0.5));
  }
  return result;
}

}  // namespace sextant
