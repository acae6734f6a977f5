#include "profiler/processor.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>
#include <thread>
#include <vector>

#include <fmt/format.h>

#include "executor/layers/gemm.h"
#include "models/statistics.h"

namespace sextant {
namespace {

constexpr int kRepeatsPerShare = 5;  // of other measurements: quick profiles look once

double thread_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

void spin(std::int64_t steps) {
  std::array<double, 16> sums{};
  for (std::int64_t i = 0; i < steps; ++i) {
    for (double& sum : sums) sum = sum * 0.999 + 1.0;
  }
  volatile double kept = sums[0] + sums[15];
  static_cast<void>(kept);
}

double mean_over_ranks(World& world, double mine) {
  double sum = 0.0;
  for (const std::string& theirs : world.communicator().gather_text(fmt::format("{:a}", mine))) {
    sum += std::strtod(theirs.c_str(), nullptr);
  }
  return sum / world.size();
}

// Work on one stream for as long as something else takes.
struct Pace {
  double units_per_s;
  double seconds;
};

Pace pace_of_work(World& world, Stream& side, const ProductWork& unit, const std::function<void()>& meanwhile) {
  using Clock = std::chrono::steady_clock;
  world.communicator().barrier(side);
  side.synchronize();
  std::atomic<bool> is_over = false;
  Pace pace{};
  const Clock::time_point start = Clock::now();
  side.enqueue([&] {
    int units = 0;
    do {
      unit();
      ++units;
    } while (!is_over);
    pace.units_per_s = units / std::chrono::duration<double>(Clock::now() - start).count();
  });
  meanwhile();
  pace.seconds = std::chrono::duration<double>(Clock::now() - start).count();
  is_over = true;
  side.synchronize();
  return pace;
}

}  // namespace

BusyWork::BusyWork(World& world, Seconds processor_time) {
  constexpr std::int64_t kTrial = 200000;
  const double start = thread_seconds();
  spin(kTrial);
  const double trial_s = std::max(thread_seconds() - start, 1e-9);
  const std::string mine = fmt::format("{}", std::llround(kTrial * processor_time.value() / trial_s));
  steps_ = std::atoll(world.communicator().gather_text(mine).front().c_str());
}

void BusyWork::operator()() const {
  spin(steps_);
}

double measure_cores_per_rank(World& world, const RepeatOptions& options) {
  constexpr Seconds kPiece(1e-3);
  const BusyWork work(world, kPiece);
  const auto first = world.device().make_stream("first"), second = world.device().make_stream("second");
  const int pieces = std::max(1, static_cast<int>(options.block_time / kPiece));
  std::vector<double> mine;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {
    world.communicator().barrier(*first);
    first->synchronize();
    const auto start = std::chrono::steady_clock::now();
    for (int i = 0; i < pieces; ++i) {
      first->enqueue(work);
      second->enqueue(work);
    }
    first->synchronize();
    second->synchronize();
    world.communicator().barrier(*first);
    first->synchronize();
    mine.push_back(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());
  }
  return std::min(2.0, 2.0 * pieces * kPiece.value() / quantile(slowest_rank(world, mine), 0.5));
}

Seconds measure_processor_time(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                               const RepeatOptions& options) {
  const auto block = [&](int calls) {
    double begin = 0.0, end = 0.0;
    world.communicator().barrier(stream);
    stream.enqueue([&] { begin = thread_seconds(); });
    for (int i = 0; i < calls; ++i) call(stream);
    stream.enqueue([&] { end = thread_seconds(); });
    stream.synchronize();
    return (end - begin) / calls;
  };
  const double once = mean_over_ranks(world, block(1));
  const double wanted = options.block_time.value() / std::max(once, 1e-9);
  return Seconds(mean_over_ranks(world, block(static_cast<int>(std::clamp(wanted, 1.0, 1.0 * options.max_calls)))));
}

double compute_share(Seconds time, Seconds processor_time, double cores) {
  if (time <= Seconds(0.0) || cores <= 0.0) return 0.0;
  const double kernel = std::min(cores, 1.0);
  const double idle = cores - kernel;
  return std::clamp((processor_time / time - idle) / kernel, 0.0, 1.0);
}

// A product of [kRows, kIn] and [kIn, kOut], about a quarter of a millisecond of one core.
struct ProductWork::Operands {
  static constexpr std::int64_t kRows = 64, kIn = 256, kOut = 512, kBlocks = 32;

  void multiply() {
    const auto block = static_cast<std::size_t>(next++ % kBlocks);
    gemm<float>({.m = kRows, .n = kOut, .k = kIn}, 1.0F, {rows.data() + block * kRows * kIn, kIn},
                {weights.data(), kOut}, 0.0F, products.data() + block * kRows * kOut, kOut);
  }

  std::vector<float> rows = std::vector<float>(kBlocks * kRows * kIn, 0.5F);
  std::vector<float> weights = std::vector<float>(kIn * kOut, 0.25F);
  std::vector<float> products = std::vector<float>(kBlocks * kRows * kOut);
  std::int64_t next = 0;
};

ProductWork::ProductWork() : operands_(std::make_shared<Operands>()) {
  for (std::int64_t i = 0; i < Operands::kBlocks; ++i) operands_->multiply();  // touches everything
}

void ProductWork::operator()() const {
  operands_->multiply();
}

ComputeShareBenchmark::ComputeShareBenchmark(World& world, double cores_per_rank)
    : world_(world), cores_per_rank_(cores_per_rank), side_(world.device().make_stream("work")) {}

double ComputeShareBenchmark::measure(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                                      const RepeatOptions& options) const {
  if (alone <= Seconds(0.0)) return 0.0;
  if (world_.topology().nodes > 1) return lost_pace(stream, call, alone, options);
  return compute_share(alone, measure_processor_time(world_, stream, call, options), cores_per_rank_);
}

double ComputeShareBenchmark::lost_pace(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                                        const RepeatOptions& options) const {
  const int calls = static_cast<int>(std::clamp(options.block_time / alone, 1.0, 1.0 * options.max_calls));
  const std::chrono::duration<double> pause(options.block_time.value());
  const int repeats = std::max(1, repeats_of(calls * alone, options) / kRepeatsPerShare);
  std::vector<double> shares;
  for (int repeat = 0; repeat < repeats; ++repeat) {  // in turn, so that a slow phase of the machine meets both
    const Pace free = pace_of_work(world_, *side_, work_, [&] { std::this_thread::sleep_for(pause); });
    const Pace beside = pace_of_work(world_, *side_, work_, [&] {
      for (int i = 0; i < calls; ++i) call(stream);
      stream.synchronize();
    });
    const double rate = std::min(1.0, calls * alone.value() / beside.seconds);
    shares.push_back((1.0 - beside.units_per_s / free.units_per_s) / rate);
  }
  return std::clamp(mean_over_ranks(world_, quantile(std::move(shares), 0.5)), 0.0, 1.0);
}

}  // namespace sextant
