#include "profiler/interference_benchmark.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include "executor/device_buffer.h"
#include "models/statistics.h"
#include "profiler/processor.h"

namespace sextant {
namespace {

constexpr std::size_t kTinyMessage = 1024;  // elements a rank sends
constexpr std::array<std::size_t, 2> kMessages = {32 * 1024,
                                                  512 * 1024};  // 128 KiB and 2 MiB: a small and a large chunk

using Call = std::function<void(Stream&)>;

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

// A number of matrix products.
class Products {
 public:
  explicit Products(int num_products) : num_products_(num_products) {}

  void operator()(Stream& stream) const {
    stream.enqueue([this] {
      for (int i = 0; i < num_products_; ++i) product_();
    });
  }

 private:
  ProductWork product_;
  int num_products_;
};

// How many products take as long as an exchange: the links of a block of both never idle, so that what its exchanges
// suffer shows in its length, and most of them run beside work. The same number on every rank. Collective over `world`.
int products_of(World& world, const Call& exchange) {
  const auto stream = world.device().make_stream("work");
  const auto call_time = [&](const Call& call) {
    static_cast<void>(time_block(world, *stream, call, kBlockChunks));  // warms up
    return time_block(world, *stream, call, kBlockChunks);
  };
  constexpr int kTrial = 4;
  const Products trial(kTrial);
  return std::max(1, static_cast<int>(std::lround(kTrial * (call_time(exchange) / call_time(std::cref(trial))))));
}

// Time of the block on the slowest rank; what `work` issues goes to the stream `side`.
Seconds run_block(World& world, Stream& side, Stream& link, const Call& exchange, const Call& work) {
  std::vector<std::unique_ptr<Event>> arrived, worked;
  world.communicator().barrier(link);
  link.synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < kBlockChunks; ++i) {
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

}  // namespace

InterferenceBenchmark::InterferenceBenchmark(const Topology& topology, double cores_per_rank,
                                             const RepeatOptions& options)
    : topology_(topology), cores_per_rank_(cores_per_rank), options_(options) {}

void InterferenceBenchmark::run_round(World& world) {
  if (world.size() == 1) return;
  wait_after_work(world);
  const auto intra = tier_group(world, Resource::kIntra), inter = tier_group(world, Resource::kInter);
  if (topology_.devices_per_node > 1) run_beside_work(world, *intra, intra_);
  if (topology_.nodes > 1) run_beside_work(world, *inter, inter_);
  if (topology_.devices_per_node > 1 && topology_.nodes > 1) run_tiers(world, *intra, *inter);
}

void InterferenceBenchmark::wait_after_work(World& world) {
  constexpr Seconds kWork(2e-3);
  constexpr int kMoreRepeats = 2;  // than of blocks, which take longer
  const BusyWork work(world, kWork);
  const Exchange exchange(world, world.communicator(), kTinyMessage);
  const auto stream = world.device().make_stream("synchronization");
  const auto issue_work = [&](Stream& s) { s.enqueue(work); };
  const auto issue_both = [&](Stream& s) {
    s.enqueue(work);
    exchange(s);
  };
  const int calls = std::max(1, static_cast<int>(options_.block_time / kWork));
  // In turn, so that a machine that gets slower slows all three.
  for (int repeat = 0; repeat < kMoreRepeats * options_.repeats; ++repeat) {
    const Seconds both = time_block(world, *stream, issue_both, calls);
    const Seconds alone =
        time_block(world, *stream, issue_work, calls) + time_block(world, *stream, std::cref(exchange), calls);
    waits_.push_back((both - alone).value());
  }
}

void InterferenceBenchmark::run_beside_work(World& world, Communicator& group, Pair& samples) {
  const ComputeShareBenchmark shares(world, cores_per_rank_);
  const auto stream = world.device().make_stream("exchange");
  for (std::size_t size = 0; size < kSizes; ++size) {
    const Exchange exchange(world, group, kMessages[size]);
    if (samples[size].products == 0) samples[size].products = products_of(world, std::cref(exchange));
    const Products work(samples[size].products);
    run_blocks(world, std::cref(exchange), std::cref(work), repeats(size), samples[size]);
    const Seconds alone = Seconds(quantile(samples[size].exchanges, 0.5)) + synchronization();
    samples[size].compute_shares.push_back(shares.measure(*stream, std::cref(exchange), alone, options_));
  }
}

// Exchanges between nodes with exchanges inside them in the place of work.
void InterferenceBenchmark::run_tiers(World& world, Communicator& intra, Communicator& inter) {
  for (std::size_t size = 0; size < kSizes; ++size) {
    const Exchange inside(world, intra, kMessages[size]), between(world, inter, kMessages[size]);
    run_blocks(world, std::cref(between), std::cref(inside), repeats(size), tiers_[size]);
  }
}

void InterferenceBenchmark::run_blocks(World& world, const Call& exchange, const Call& work, int repeats,
                                       Samples& samples) const {
  const auto side = world.device().make_stream("side"), link = world.device().make_stream("link");
  static_cast<void>(run_block(world, *side, *link, exchange, work));  // warms up
  for (int repeat = 0; repeat < repeats; ++repeat) {
    samples.works.push_back(time_block(world, *side, work, kBlockChunks).value());
    samples.exchanges.push_back(time_block(world, *link, exchange, 2 * kBlockChunks).value());
    samples.blocks.push_back(run_block(world, *side, *link, exchange, work).value());
  }
}

// Small ones are over soon.
int InterferenceBenchmark::repeats(std::size_t size) const {
  return size == 0 ? 4 * options_.repeats : options_.repeats;
}

Seconds InterferenceBenchmark::synchronization() const {
  return waits_.empty() ? Seconds(0.0) : Seconds(std::max(0.0, quantile(waits_, 0.5)));
}

// The block as much longer than simulated from its parts as in the median repeat: a slow phase of the machine that
// meets a whole repeat does not count.
BlockTimes InterferenceBenchmark::median(const Samples& samples, Slowed slowed) const {
  const auto times_of = [&](double work, double exchange) {
    BlockTimes times{.work = Seconds(work), .exchange = Seconds(exchange) + synchronization()};
    if (slowed == Slowed::kBoth) {
      times.work = times.work + synchronization();  // an exchange, too
    } else {
      times.compute_share = quantile(samples.compute_shares, 0.5);
    }
    return times;
  };
  std::vector<double> longer;
  for (std::size_t i = 0; i < samples.blocks.size(); ++i) {
    longer.push_back(samples.blocks[i] / unslowed_block(times_of(samples.works[i], samples.exchanges[i])).value());
  }
  BlockTimes times = times_of(quantile(samples.works, 0.5), quantile(samples.exchanges, 0.5));
  times.block = quantile(std::move(longer), 0.5) * unslowed_block(times);
  return times;
}

std::vector<Contention> InterferenceBenchmark::contention() const {
  std::vector<Contention> result;
  const auto append = [&](Resource victim, Resource aggressor, const SlowDown& by) {
    result.push_back({victim, aggressor, by.factor, by.delay});
  };
  const auto slow_down = [&](const Pair& pair, Slowed slowed) {
    return slow_down_in_blocks(median(pair[0], slowed), median(pair[1], slowed), slowed);
  };
  const auto is_measured = [](const Pair& pair) { return !pair.front().blocks.empty(); };
  if (is_measured(intra_)) append(Resource::kIntra, Resource::kCompute, slow_down(intra_, Slowed::kExchange));
  if (is_measured(inter_)) append(Resource::kInter, Resource::kCompute, slow_down(inter_, Slowed::kExchange));
  if (is_measured(tiers_)) {
    const SlowDown mutual = slow_down(tiers_, Slowed::kBoth);
    append(Resource::kIntra, Resource::kInter, mutual);
    append(Resource::kInter, Resource::kIntra, mutual);
  }
  return result;
}

}  // namespace sextant
