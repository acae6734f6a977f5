#include "planner/setup_search.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <iterator>
#include <limits>
#include <mutex>
#include <thread>
#include <tuple>

#include <fmt/format.h>

#include "models/error.h"
#include "models/layer_times.h"
#include "models/setup_memory.h"
#include "planner/stage_choice.h"

namespace sextant {
namespace {

constexpr double kLargestBalance = 1e6;
constexpr double kNever = std::numeric_limits<double>::infinity();

// Chunks of the MoE block and a bound of what the step takes with them.
struct ChunkedSetup {
  double bound = 0.0;
  TrainingSetup setup;
  bool operator<(const ChunkedSetup& other) const {
    return std::tie(bound, setup.forward_degree, setup.backward_degree) <
           std::tie(other.bound, other.setup.forward_degree, other.setup.backward_degree);
  }
};

// A setup and its place in the order of enumeration, which breaks ties.
struct Ranked {
  double time = 0.0;
  std::int64_t place = 0;
  TrainingSetup setup;
  bool operator<(const Ranked& other) const { return std::tie(time, place) < std::tie(other.time, other.place); }
};

// The best setups so far, shared by all threads.
class Best {
 public:
  Best(int count, double at_most) : count_(static_cast<std::size_t>(count)), threshold_(at_most) {}

  // Above this nothing can come among the best any more.
  [[nodiscard]] double threshold() const { return threshold_.load(std::memory_order_relaxed); }

  void add(Ranked ranked) {
    if (ranked.time > threshold()) return;
    const std::lock_guard lock(mutex_);
    best_.insert(std::ranges::upper_bound(best_, ranked, std::less<>()), std::move(ranked));
    if (best_.size() > count_) best_.pop_back();
    if (best_.size() == count_) threshold_ = best_.back().time;
  }

  [[nodiscard]] const std::vector<Ranked>& setups() const { return best_; }

 private:
  std::size_t count_;
  std::atomic<double> threshold_;
  std::mutex mutex_;
  std::vector<Ranked> best_;  // fastest first
};

struct Miss {
  double bytes = kNever;
  std::int64_t place = 0;
  TrainingSetup setup;
};

// What a thread counted.
struct Counts {
  std::int64_t setups = 0, evaluated = 0, pruned = 0, too_large = 0;
  double pruned_bound = kNever;
  Miss miss;

  void add(const Counts& other) {
    setups += other.setups;
    evaluated += other.evaluated;
    pruned += other.pruned;
    too_large += other.too_large;
    pruned_bound = std::min(pruned_bound, other.pruned_bound);
    if (std::tie(other.miss.bytes, other.miss.place) < std::tie(miss.bytes, miss.place)) miss = other.miss;
  }
};

// Searches the parts of the space that have one attention grid, one after another.
class GridSearch {
 public:
  GridSearch(const SetupRequest& request, const Cluster& cluster, Best& best, bool prunes)
      : request_(request), network_(request.network), space_(request), cluster_(cluster), best_(best), prunes_(prunes) {
    options_.memory = cluster.device.memory;
    if (request.recompute) options_.recomputes = {*request.recompute};
    paired_ = options_;
    std::erase(paired_.recomputes, Recompute::kFull);
  }

  Counts run(const ParallelDegrees& attention, std::int64_t index) {
    counts_ = {};
    place_ = index << 32;
    setup_ = {};
    setup_.sequence = request_.sequence;
    setup_.precision = request_.precision;
    setup_.expert_imbalance = request_.balance;
    setup_.recompute = options_.recomputes.front();  // of bounds
    for (const ParallelDegrees& degrees : space_.expert_grids(attention)) {
      setup_.degrees = degrees;
      for (const std::int64_t size : space_.micro_batches(degrees)) {
        setup_.micro_batch = size;
        setup_.num_micro_batches = request_.global_batch / degrees.dp / size;
        try_micro_batch();
      }
    }
    return counts_;
  }

 private:
  static constexpr std::int64_t kSetupsOfExchange = std::int64_t{kZeroStages.size()};

  // Skips `count` setups of which none takes less than `bound`, if that is too long.
  bool prune(double bound, std::int64_t count) {
    if (bound <= best_.threshold()) return false;
    skip(bound, count);
    return true;
  }

  void skip(double bound, std::int64_t count) {
    counts_.pruned += count;
    counts_.pruned_bound = std::min(counts_.pruned_bound, bound);
    place_ += count;
  }

  void try_micro_batch() {
    const std::vector<Exchange> exchanges = space_.exchanges(setup_);
    const std::int64_t all = std::ssize(exchanges) * kSetupsOfExchange;
    counts_.setups += all;
    set_exchange(setup_, {});
    if (prunes_ && prune(computation_bound(), all)) return;
    if (prunes_ && all_too_large(all)) return;
    known_too_large_.clear();
    known_to_fit_.clear();
    for (const Exchange& exchange : exchanges) {
      set_exchange(setup_, exchange);
      try_exchange();
    }
  }

  void try_exchange() {
    if (prunes_ && prune(exchange_bound(), kSetupsOfExchange)) return;
    for (const int zero : kZeroStages) {
      TrainingSetup setup = setup_;
      setup.zero_stage = zero;
      if (prunes_ && has(known_too_large_, setup)) {
        count_too_large();
      } else if (setup.overlap == Overlap::kChunks) {
        try_chunks(setup);
      } else {
        try_setup(setup);
      }
    }
  }

  // Sums in another order differ by roundings.
  static constexpr double kRounding = 1.0 - 1e-12;

  // Of all setups with these degrees and this micro-batch: no traffic of experts, no transfers, no bubble, no
  // gradients.
  double computation_bound() const {
    const StepEstimate estimate = estimate_even_step(network_, setup_, cluster_);
    Seconds bound = estimate.total();
    for (const StepTerm term : {StepTerm::kDispatch, StepTerm::kExpertShard, StepTerm::kPipelineTransfer,
                                StepTerm::kBubble, StepTerm::kGradients}) {
      bound -= estimate[term];
    }
    return bound.value() * kRounding;
  }

  // Of all setups that differ by ZeRO stage, recomputation, degrees and split into stages: no gradients, least, whole
  // overlap, even.
  double exchange_bound() const {
    const StepEstimate estimate = estimate_even_step(network_, setup_, cluster_, {}, ChunkCosts::kLeast);
    return (estimate.total() - estimate[StepTerm::kGradients]).value() * kRounding;
  }

  // Of all splits into stages and all that these may compute again.
  double split_bound(const TrainingSetup& setup) const {
    return estimate_even_step(network_, setup, cluster_).total().value() * kRounding;
  }

  // The same of all degrees.
  double least_bound(const TrainingSetup& setup) const {
    return estimate_even_step(network_, setup, cluster_, {}, ChunkCosts::kLeast).total().value() * kRounding;
  }

  // The same where stages add something to the even split.
  static double split_bound(double even, Seconds added, const TrainingSetup& setup) {
    return even + least_effect(setup) * added.value() * kRounding;
  }

  // One setup of the space: the degrees with the fastest step, by a bound of each; ties go to the smaller ones.
  void try_chunks(TrainingSetup setup) {
    if (prunes_ && prune(least_bound(setup), 1)) return;
    if (prunes_ && !has(known_to_fit_, setup)) {
      if (!StageChoice(network_, setup, cluster_, options_).added_at_least()) return too_large(setup);
      known_to_fit_.push_back(memory_key(setup));
    }
    std::vector<ChunkedSetup> candidates;
    for (const auto& [forward, backward] : space_.chunk_degrees()) {
      setup.forward_degree = forward;
      setup.backward_degree = backward;
      candidates.push_back({split_bound(setup), setup});
    }
    std::ranges::sort(candidates, std::less<>());
    if (prunes_ && prune(candidates.front().bound, 1)) return;
    std::optional<ChunkedSetup> fastest;
    std::vector<std::vector<PassTimes>> tried;
    const auto at_most = [&] {
      const double threshold = prunes_ ? best_.threshold() : kNever;
      return fastest ? std::min(fastest->bound, threshold) : threshold;
    };
    for (const ChunkedSetup& candidate : candidates) {
      if (candidate.bound > at_most()) break;
      if (prunes_) {
        std::vector<PassTimes> times = moe_times(candidate.setup);
        const bool is_beaten = std::ranges::any_of(tried, [&](const std::vector<PassTimes>& other) {
          return is_nowhere_slower(other, times, setup.pipeline == PipelineSchedule::kZeroBubble);
        });
        if (is_beaten) continue;
        tried.push_back(std::move(times));
      }
      StageChoice stages(network_, candidate.setup, cluster_, options_);
      const std::optional<Seconds> added = stages.added_at_least(may_add(at_most(), candidate.bound, setup));
      if (!added) return too_large(candidate.setup);  // as all are: chunks need no memory
      if (split_bound(candidate.bound, *added, setup) > at_most()) continue;
      const std::optional<TrainingSetup> chosen = stages.choose(may_add(at_most(), candidate.bound, setup));
      if (!chosen) continue;
      const ChunkedSetup priced{estimate_step(network_, *chosen, cluster_).total().value(), *chosen};
      if (!fastest || priced < *fastest) fastest = priced;
    }
    if (!fastest) return skip(at_most(), 1);
    ++counts_.evaluated;
    best_.add({fastest->bound, place_++, fastest->setup});
  }

  // A MoE layer with each recomputation: all that the degrees change.
  std::vector<PassTimes> moe_times(TrainingSetup setup) const {
    std::vector<PassTimes> times;
    for (const Recompute recompute : options_.recomputes) {
      set_stage_recompute(setup, {recompute});
      times.push_back(layer_times(network_, setup, cluster_).moe);
    }
    return times;
  }

  // Then no choice of stages makes a slower step: it grows with both passes and, where their weight gradients fill
  // bubbles, with what is left of them without those.
  static bool is_nowhere_slower(const std::vector<PassTimes>& a, const std::vector<PassTimes>& b, bool fills_bubbles) {
    return std::ranges::equal(a, b, [&](const PassTimes& one, const PassTimes& other) {
      const auto rest = [](const PassTimes& times) { return times.total() - 2.0 * times.weight_gradients; };
      return one.total() <= other.total() && (!fills_bubbles || rest(one) <= rest(other));
    });
  }

  // What the stages may add to an even split of `even` for a step of `at_most`.
  static Seconds may_add(double at_most, double even, const TrainingSetup& setup) {
    return Seconds((at_most / kRounding - even) / least_effect(setup));
  }

  void try_setup(const TrainingSetup& setup) {
    const double even = split_bound(setup);
    if (prunes_ && prune(even, 1)) return;
    StageChoice stages(network_, setup, cluster_, options_of(setup));
    const double at_most = prunes_ ? best_.threshold() : kNever;
    const std::optional<Seconds> added = stages.added_at_least(may_add(at_most, even, setup));
    if (!added) return too_large(setup);
    if (prunes_ && prune(split_bound(even, *added, setup), 1)) return;
    const std::optional<TrainingSetup> chosen = stages.choose(may_add(at_most, even, setup));
    if (!chosen) return skip(at_most, 1);
    ++counts_.evaluated;
    best_.add({estimate_step(network_, *chosen, cluster_).total().value(), place_++, *chosen});
  }

  [[nodiscard]] const StageOptions& options_of(const TrainingSetup& setup) const {
    const bool is_dual = setup.pipeline == PipelineSchedule::kDualPipe;
    return setup.overlap == Overlap::kMicroBatches && !is_dual ? paired_ : options_;
  }

  // What a second more on the stages adds to the step: gradients that hide under a share of it hide longer.
  static double least_effect(const TrainingSetup& setup) {
    return setup.zero_stage >= 2 ? 1.0 - FrameworkAssumptions{}.hidden_by_step : 1.0;
  }

  // Whether none of the setups with these degrees and this micro-batch fits, nor misses the memory by less than
  // another: they need at least what the mean stage of 1F1B holds with one micro-batch in flight.
  bool all_too_large(std::int64_t count) {
    TrainingSetup setup = setup_;
    for (const int zero : {3, 2, 1}) {  // most is sharded first, which is most likely to fit
      setup.zero_stage = zero;
      const double bytes =
          StageMemory(network_, setup).largest_at_least(options_.recomputes.back()).value() * kRounding;
      if (bytes <= std::max(options_.memory->value(), least_miss_)) return false;
    }
    counts_.evaluated += count;
    counts_.too_large += count;
    place_ += count;
    return true;
  }

  // Its memory is that of the even split that keeps least.
  void too_large(TrainingSetup setup) {
    known_too_large_.push_back(memory_key(setup));
    setup.recompute = options_of(setup).recomputes.back();
    const double bytes = setup_memory(network_, setup).total().value();
    if (bytes < counts_.miss.bytes) counts_.miss = {bytes, place_, setup};
    least_miss_ = std::min(least_miss_, bytes);
    count_too_large();
  }

  void count_too_large() {
    ++place_;
    ++counts_.evaluated;
    ++counts_.too_large;
  }

  // All that memory depends on where degrees and micro-batch are given: dispatch and chunks need no less.
  using MemoryKey = std::tuple<PipelineSchedule, int, bool, int>;
  static MemoryKey memory_key(const TrainingSetup& setup) {
    return {setup.pipeline, setup.virtual_stages, setup.overlap == Overlap::kMicroBatches, setup.zero_stage};
  }

  // Under DualPipe what fits is asked of the fastest split, which depends on dispatch.
  static bool has(const std::vector<MemoryKey>& known, const TrainingSetup& setup) {
    return setup.pipeline != PipelineSchedule::kDualPipe && std::ranges::find(known, memory_key(setup)) != known.end();
  }

  const SetupRequest& request_;
  const Network& network_;
  SetupSpace space_;
  const Cluster& cluster_;
  Best& best_;
  bool prunes_;
  // More and more computed again.
  StageOptions options_{.recomputes = {Recompute::kNone, Recompute::kSelective, Recompute::kFull}};
  StageOptions paired_;  // of 1F1B that runs two micro-batches at once
  TrainingSetup setup_;
  std::vector<MemoryKey> known_too_large_, known_to_fit_;  // of the degrees and the micro-batch in `setup_`
  Counts counts_;
  double least_miss_ = kNever;  // bytes, of all grids so far
  std::int64_t place_ = 0;
};

FoundSetup found(const SetupRequest& request, const Cluster& cluster, const TrainingSetup& setup) {
  return {setup, estimate_step(request.network, setup, cluster), setup_memory(request.network, setup)};
}

Counts search_grids(const SetupRequest& request, const Cluster& cluster, Best& best, bool prunes) {
  const std::vector<ParallelDegrees> grids = SetupSpace(request).attention_grids();
  std::atomic<std::size_t> next{0};
  std::mutex mutex;
  Counts counts;
  const auto work = [&] {
    GridSearch search(request, cluster, best, prunes);
    for (std::size_t i = next++; i < grids.size(); i = next++) {
      const Counts of_grid = search.run(grids[i], static_cast<std::int64_t>(i));
      const std::lock_guard lock(mutex);
      counts.add(of_grid);
    }
  };
  const unsigned cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::jthread> threads;
  for (unsigned t = 1; t < (request.threads > 0 ? static_cast<unsigned>(request.threads) : cores); ++t) {
    threads.emplace_back(work);
  }
  work();
  threads.clear();  // joins
  return counts;
}

void require_chunks(const SetupRequest& request) {
  for (const int degree : {request.forward_degree.value_or(1), request.backward_degree.value_or(1)}) {
    if (degree < 1) throw ConfigError(fmt::format("{} chunks: at least 1", degree));
    if (degree > 1 && request.overlap && *request.overlap != Overlap::kChunks) {
      throw ConfigError(fmt::format("{} chunks need overlap chunks, not {}", degree, to_text(*request.overlap)));
    }
  }
}

// Setups of at most `at_most` seconds.
SetupResult search(const SetupRequest& request, const Cluster& cluster, bool prunes, double at_most = kNever) {
  if (request.global_batch < 1) throw ConfigError(fmt::format("global batch {}: at least 1", request.global_batch));
  if (request.sequence < 1) throw ConfigError(fmt::format("sequence {}: at least 1", request.sequence));
  if (!(request.balance >= 1.0 && request.balance <= kLargestBalance)) {
    throw ConfigError(fmt::format("balance {}: the busiest rank has at least the mean load, 1; at most {} times that",
                                  request.balance, kLargestBalance));
  }
  require_chunks(request);
  require_valid(request.topology);
  SEXTANT_CHECK(cluster.reference.has_value(), "cluster {} has no reference", cluster.name);
  const auto started = std::chrono::steady_clock::now();
  Cluster planned = cluster;
  planned.topology = request.topology;
  Best best(request.top, at_most);
  const Counts counts = search_grids(request, planned, best, prunes);
  SetupResult result;
  for (const Ranked& ranked : best.setups()) result.setups.push_back(found(request, planned, ranked.setup));
  SetupSearchSummary& summary = result.summary;
  summary.setups = counts.setups;
  summary.evaluated = counts.evaluated;
  summary.pruned = counts.pruned;
  summary.too_large = counts.too_large;
  if (counts.pruned > 0) summary.pruned_bound = Seconds(counts.pruned_bound);
  if (counts.miss.bytes < kNever) summary.nearest_miss = found(request, planned, counts.miss.setup);
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
  summary.search_time = Seconds(elapsed.count());
  return result;
}

}  // namespace

Seconds SetupResult::lower_bound() const {
  const Seconds fastest = setups.at(0).estimate.total();
  return summary.pruned > 0 ? std::min(fastest, summary.pruned_bound) : fastest;
}

SetupResult search_setups(const SetupRequest& request, const Cluster& cluster) {
  return search(request, cluster, true);
}

std::optional<FoundSetup> search_faster_setup(SetupRequest request, const Cluster& cluster, Seconds than) {
  request.top = 1;
  const SetupResult result = search(request, cluster, true, than.value());
  if (result.setups.empty() || result.setups.front().estimate.total() >= than) return std::nullopt;
  return result.setups.front();
}

SetupResult search_setups_by_enumeration(const SetupRequest& request, const Cluster& cluster) {
  return search(request, cluster, false);
}

}  // namespace sextant
