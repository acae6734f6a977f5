#include "profiler/processor.h"

#include <algorithm>
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

constexpr Seconds kUnit(2.5e-4);  // processor time of the work between two looks at the time
constexpr int kShareRepeats = 3;

double thread_seconds() {
  std::timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
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

Pace pace_of_work(World& world, Stream& side, const BusyWork& unit, const std::function<void()>& meanwhile) {
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

// A product of [kRows, kIn] and [kIn, kOut], about a quarter of a millisecond of one core.
struct BusyWork::Operands {
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

BusyWork::BusyWork(World& world, Seconds processor_time) : operands_(std::make_shared<Operands>()) {
  constexpr int kTrial = 2 * Operands::kBlocks;
  for (int i = 0; i < kTrial; ++i) operands_->multiply();  // touches everything
  const double start = thread_seconds();
  for (int i = 0; i < kTrial; ++i) operands_->multiply();
  const double product_s = std::max((thread_seconds() - start) / kTrial, 1e-9);
  const std::string mine = fmt::format("{}", std::max(1LL, std::llround(processor_time.value() / product_s)));
  products_ = std::atoll(world.communicator().gather_text(mine).front().c_str());
}

void BusyWork::operator()() const {
  for (std::int64_t i = 0; i < products_; ++i) operands_->multiply();
}

ComputeShareBenchmark::ComputeShareBenchmark(World& world)
    : world_(world), unit_(world, kUnit), side_(world.device().make_stream("work")) {}

double ComputeShareBenchmark::measure(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                                      const RepeatOptions& options) const {
  if (alone <= Seconds(0.0)) return 0.0;
  const int calls = static_cast<int>(std::clamp(options.block_time / alone, 1.0, 1.0 * options.max_calls));
  const std::chrono::duration<double> pause(options.block_time.value());
  std::vector<double> shares;
  for (int repeat = 0; repeat < kShareRepeats; ++repeat) {  // in turn, so that a slow phase of the machine meets both
    const Pace free = pace_of_work(world_, *side_, unit_, [&] { std::this_thread::sleep_for(pause); });
    const Pace beside = pace_of_work(world_, *side_, unit_, [&] {
      for (int i = 0; i < calls; ++i) call(stream);
      stream.synchronize();
    });
    const double rate = std::min(1.0, calls * alone.value() / beside.seconds);
    shares.push_back((1.0 - beside.units_per_s / free.units_per_s) / rate);
  }
  return std::clamp(mean_over_ranks(world_, quantile(std::move(shares), 0.5)), 0.0, 1.0);
}

}  // namespace sextant
