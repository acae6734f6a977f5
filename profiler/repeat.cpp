#include "profiler/repeat.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <vector>

#include "models/error.h"
#include "models/statistics.h"

namespace sextant {
namespace {

// Seconds until the last rank is done, and not only this one: where ranks share cores, those that leave the opening
// barrier first may have them for themselves, and the others after them.
double timed_block(World& world, Stream& stream, const std::function<void(Stream&)>& call, int calls) {
  world.communicator().barrier(stream);
  stream.synchronize();
  const auto start = std::chrono::steady_clock::now();
  for (int i = 0; i < calls; ++i) call(stream);
  world.communicator().barrier(stream);
  stream.synchronize();
  const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - start;
  return elapsed.count();
}

}  // namespace

std::vector<double> slowest_rank(World& world, const std::vector<double>& mine) {
  std::string text;
  for (const double seconds : mine) text += fmt::format("{:a} ", seconds);
  std::vector<double> result(mine.size(), 0.0);
  for (const std::string& theirs : world.communicator().gather_text(text)) {
    const char* at = theirs.c_str();
    for (double& largest : result) {
      char* end = nullptr;
      largest = std::max(largest, std::strtod(at, &end));
      at = end;
    }
  }
  return result;
}

int repeats_of(Seconds block_time, const RepeatOptions& options) {
  const double in_time = options.most_time / std::max(block_time, Seconds(1e-9));
  return static_cast<int>(std::clamp(in_time, 1.0, 1.0 * options.repeats));
}

Seconds time_block(World& world, Stream& stream, const std::function<void(Stream&)>& call, int calls) {
  return Seconds(slowest_rank(world, {timed_block(world, stream, call, calls)}).front() / calls);
}

void TimedCall::run(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                    const RepeatOptions& options) {
  SEXTANT_CHECK(options.repeats >= 1 && options.max_calls >= 1, "{} repeats", options.repeats);
  double block = 0.0;
  if (calls_ == 0) {
    timed_block(world, stream, call, 1);
    const double once = time_block(world, stream, call, 2).value();
    const double wanted = options.block_time.value() / std::max(once, 1e-9);
    calls_ = static_cast<int>(std::clamp(wanted, 1.0, static_cast<double>(options.max_calls)));
    block = once * calls_;
  } else {
    block = quantile(blocks_, 0.5);
  }
  const int repeats = repeats_of(Seconds(block), options);
  std::vector<double> mine;
  for (int repeat = 0; repeat < repeats; ++repeat) mine.push_back(timed_block(world, stream, call, calls_));
  for (const double slowest : slowest_rank(world, mine)) blocks_.push_back(slowest);
}

MeasuredPoint TimedCall::point() const {
  std::vector<double> times;
  for (const double block : blocks_) times.push_back(block / calls_);
  return {Seconds(quantile(times, 0.5)), Seconds(quantile(times, 0.1)), Seconds(quantile(times, 0.9)),
          static_cast<int>(times.size())};
}

MeasuredPoint measure(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                      const RepeatOptions& options) {
  TimedCall timed;
  timed.run(world, stream, call, options);
  return timed.point();
}

}  // namespace sextant
