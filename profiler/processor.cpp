#include "profiler/processor.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/statistics.h"

namespace sextant {
namespace {

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

}  // namespace sextant
