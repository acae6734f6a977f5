#include "profiler/interference_benchmark.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdlib>
#include <ctime>
#include <functional>
#include <memory>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "executor/device_buffer.h"
#include "models/error.h"
#include "planner/simulator.h"
#include "planner/task_graph.h"

namespace sextant {
namespace {

constexpr std::size_t kSmallMessage = 1024;  // elements a rank sends to all others together
constexpr std::size_t kMessage = 64 * 1024;  // 256 KiB, the size of a chunk
constexpr Seconds kWork(1e-3);               // processor time of one unit of work
constexpr Seconds kSideBySide(0.06);         // length of a run side by side

// Work of a fixed number of multiply-adds; no memory traffic, so that it disturbs by its processor time.
class BusyWork {
 public:
  explicit BusyWork(std::int64_t steps) : steps_(steps) {}

  void operator()() const {
    std::array<double, 16> sums{};
    for (std::int64_t i = 0; i < steps_; ++i) {
      for (double& sum : sums) sum = sum * 0.999 + 1.0;
    }
    volatile double kept = sums[0] + sums[15];
    static_cast<void>(kept);
  }

 private:
  std::int64_t steps_;
};

double thread_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

// Work that takes kWork of processor time on rank 0; the same number of steps on every rank.
BusyWork calibrated_work(World& world) {
  constexpr std::int64_t kTrial = 200000;
  const double start = thread_seconds();
  BusyWork{kTrial}();
  const double trial_s = thread_seconds() - start;
  const std::string mine = fmt::format("{}", std::llround(kTrial * kWork.value() / std::max(trial_s, 1e-9)));
  return BusyWork(std::atoll(world.communicator().gather_text(mine).front().c_str()));
}

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

// Ends of both streams since a common start, on the slowest rank.
EndTimes run_side_by_side(World& world, Stream& first, Stream& second, const std::function<void()>& issue) {
  const auto first_end = world.device().make_event(), second_end = world.device().make_event();
  world.communicator().barrier(first);
  first.synchronize();
  const auto start_event = world.device().make_event();
  first.record(*start_event);
  second.wait(*start_event);
  issue();
  first.record(*first_end);
  second.record(*second_end);
  first_end->synchronize();
  second_end->synchronize();
  const Seconds start = start_event->time();
  const std::vector<double> ends =
      slowest_rank(world, {(first_end->time() - start).value(), (second_end->time() - start).value()});
  return {Seconds(ends[0]), Seconds(ends[1])};
}

double median(std::vector<double> values) {
  std::sort(values.begin(), values.end());
  return values[values.size() / 2];
}

// ---- a pipelined block, as a schedule runs it: kChunks of exchange, work, exchange back ----

constexpr int kChunks = 8;

// Time of the block on the slowest rank.
Seconds run_block(World& world, Stream& compute, Stream& link, const Exchange& exchange, const BusyWork& work) {
  std::vector<std::unique_ptr<Event>> arrived, worked;
  world.communicator().barrier(link);
  link.synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kChunks; ++i) {
    exchange(link);
    link.record(*arrived.emplace_back(world.device().make_event()));
    compute.wait(*arrived.back());
    compute.enqueue(work);
    compute.record(*worked.emplace_back(world.device().make_event()));
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
  BlockCosts(Seconds work, Seconds exchange, SlowDowns slow_downs)
      : work_(work), exchange_(exchange), slow_downs_(slow_downs) {}
  [[nodiscard]] CostEstimate kernel(const KernelWork& /*work*/) const override { return {.time = work_}; }
  [[nodiscard]] CostEstimate collective(const CollectiveWork& /*work*/) const override { return {.time = exchange_}; }
  [[nodiscard]] double slowdown(Resource victim, Resource /*aggressor*/) const override {
    return victim == Resource::kCompute ? slow_downs_.first : slow_downs_.second;
  }

 private:
  Seconds work_;
  Seconds exchange_;
  SlowDowns slow_downs_;
};

// Slow-downs of work (first) and exchanges (second) on one tier.
SlowDowns measure_tier(World& world, Resource tier, Seconds synchronization, const RepeatOptions& options) {
  const BusyWork work = calibrated_work(world);
  const auto group = tier_group(world, tier);
  const Exchange exchange(world, *group, kMessage);
  const auto compute = world.device().make_stream("compute"), link = world.device().make_stream("link");
  const auto issue_work = [&](Stream& stream) { stream.enqueue(work); };
  const Seconds work_alone = measure(world, *compute, issue_work, options).median;
  const Seconds exchange_alone = measure(world, *link, std::cref(exchange), options).median + synchronization;
  const int num_work = std::max(1, static_cast<int>(kSideBySide / work_alone));
  const int num_exchanges = std::max(1, static_cast<int>(kSideBySide / exchange_alone));
  std::vector<double> first, second;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    const EndTimes together = run_side_by_side(world, *compute, *link, [&] {
      for (int i = 0; i < num_exchanges; ++i) exchange(*link);
      for (int i = 0; i < num_work; ++i) issue_work(*compute);
    });
    const SlowDowns factors = slow_downs({num_work * work_alone, num_exchanges * exchange_alone}, together);
    first.push_back(factors.first);
    second.push_back(factors.second);
  }
  const SlowDowns side_by_side{median(std::move(first)), median(std::move(second))};
  std::vector<double> blocks;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    blocks.push_back(run_block(world, *compute, *link, exchange, work).value());
  }
  return {side_by_side.first,
          std::max(side_by_side.second, block_slow_down({.work = work_alone,
                                                         .exchange = exchange_alone,
                                                         .block = Seconds(median(std::move(blocks))),
                                                         .of_work = side_by_side.first}))};
}

}  // namespace

SlowDowns slow_downs(const EndTimes& alone, const EndTimes& together) {
  const bool first_is_shorter = together.first <= together.second;
  const Seconds shorter_end = first_is_shorter ? together.first : together.second;
  const Seconds longer_end = first_is_shorter ? together.second : together.first;
  const Seconds shorter_alone = first_is_shorter ? alone.first : alone.second;
  const Seconds longer_alone = first_is_shorter ? alone.second : alone.first;
  const double shorter = std::max(1.0, shorter_end / shorter_alone);
  // What the longer one had done when the shorter ended; at least a little, so that the factor is finite.
  const Seconds done = std::max(longer_alone - (longer_end - shorter_end), 0.01 * shorter_end);
  const double longer = std::max(1.0, shorter_end / done);
  return first_is_shorter ? SlowDowns{shorter, longer} : SlowDowns{longer, shorter};
}

double block_slow_down(const BlockTimes& times) {
  constexpr double kMost = 32.0;
  const TaskGraph graph = block_graph();
  const auto simulated = [&](double factor) {
    return simulate(graph, BlockCosts(times.work, times.exchange, {times.of_work, factor})).makespan();
  };
  double low = 1.0, high = kMost;
  if (simulated(low) >= times.block) return low;
  if (simulated(high) <= times.block) return high;
  while (high - low > 1e-3) {
    const double middle = 0.5 * (low + high);
    (simulated(middle) < times.block ? low : high) = middle;
  }
  return high;
}

Seconds measure_synchronization(World& world, const RepeatOptions& options) {
  if (world.size() == 1) return Seconds(0.0);
  const BusyWork work = calibrated_work(world);
  const Exchange exchange(world, world.communicator(), kSmallMessage);
  const auto stream = world.device().make_stream("synchronization");
  const auto issue_work = [&](Stream& s) { s.enqueue(work); };
  const auto issue_both = [&](Stream& s) {
    s.enqueue(work);
    exchange(s);
  };
  const Seconds both = measure(world, *stream, issue_both, options).median;
  const Seconds alone = measure(world, *stream, issue_work, options).median +
                        measure(world, *stream, std::cref(exchange), options).median;
  return std::max(both - alone, Seconds(0.0));
}

std::vector<Contention> measure_contention(World& world, Seconds synchronization, const RepeatOptions& options) {
  std::vector<Contention> result;
  const Topology topology = world.topology();
  for (const Resource tier : {Resource::kIntra, Resource::kInter}) {
    const int ranks = tier == Resource::kIntra ? topology.devices_per_node : topology.nodes;
    if (ranks == 1) continue;
    const SlowDowns factors = measure_tier(world, tier, synchronization, options);
    result.push_back({.victim = Resource::kCompute, .aggressor = tier, .factor = factors.first});
    result.push_back({.victim = tier, .aggressor = Resource::kCompute, .factor = factors.second});
  }
  return result;
}

Interference measure_interference(World& world, const RepeatOptions& options) {
  const Seconds synchronization = measure_synchronization(world, options);
  return {synchronization, measure_contention(world, synchronization, options)};
}

Interference median_of(const std::vector<Interference>& rounds) {
  SEXTANT_CHECK(!rounds.empty(), "no round of interference was measured");
  std::vector<double> waits;
  for (const Interference& round : rounds) waits.push_back(round.synchronization.value());
  Interference result{Seconds(median(std::move(waits))), rounds.front().contention};
  for (std::size_t pair = 0; pair < result.contention.size(); ++pair) {
    std::vector<double> factors;
    for (const Interference& round : rounds) factors.push_back(round.contention.at(pair).factor);
    result.contention[pair].factor = median(std::move(factors));
  }
  return result;
}

}  // namespace sextant
