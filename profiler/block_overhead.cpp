#include "profiler/block_overhead.h"

#include <algorithm>
#include <utility>

#include "models/error.h"
#include "models/statistics.h"
#include "profiler/processor.h"

namespace sextant {

Seconds measure_block_overhead(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                               const RepeatOptions& options) {
  constexpr int kCalls = 4;
  std::vector<double> overheads;
  for (int repeat = 0; repeat < options.repeats; ++repeat) {  // in turn, so that a slow phase meets both
    const double one = time_block(world, stream, call, 1).value();
    const double four = kCalls * time_block(world, stream, call, kCalls).value();
    overheads.push_back((kCalls * one - four) / (kCalls - 1));
  }
  return Seconds(std::max(0.0, quantile(std::move(overheads), 0.5)));
}

BlockOverhead measure_block_overheads(World& world, double cores_per_rank, const RepeatOptions& options) {
  if (world.size() == 1) return {};
  const auto stream = world.device().make_stream("overhead");
  const BusyWork work(world, std::min(cores_per_rank, 1.0) * options.block_time);
  const auto issue_work = [&](Stream& s) { s.enqueue(work); };
  const auto issue_barrier = [&](Stream& s) { world.communicator().barrier(s); };
  return {measure_block_overhead(world, *stream, issue_work, options),
          measure_block_overhead(world, *stream, issue_barrier, options)};
}

BlockOverhead median_of(const std::vector<BlockOverhead>& rounds) {
  SEXTANT_CHECK(!rounds.empty(), "no round of block overheads was measured");
  std::vector<double> kernels, collectives;
  for (const BlockOverhead& round : rounds) {
    kernels.push_back(round.kernels.value());
    collectives.push_back(round.collectives.value());
  }
  return {Seconds(quantile(std::move(kernels), 0.5)), Seconds(quantile(std::move(collectives), 0.5))};
}

}  // namespace sextant
