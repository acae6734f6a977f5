// What a timed block of calls (repeat.h) takes besides them.
#pragma once

#include <functional>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/units.h"
#include "profiler/repeat.h"

namespace sextant {

// From blocks of one and of four `calls`: of the difference, what four do not have four times. Ranks that leave the
// opening barrier late, the last rank's turn of a core that ranks share, the closing barrier. At least 0. Collective
// over `world`; every rank gets the same result.
[[nodiscard]] Seconds measure_block_overhead(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                                             const RepeatOptions& options);

// Of blocks of kernels, and of collectives, which leave hardly a wait to the closing barrier.
struct BlockOverhead {
  Seconds kernels{};
  Seconds collectives{};
};
// The first with work that takes options.block_time where ranks have `cores_per_rank` each, the second with barriers.
// None for one rank. Collective over `world`.
[[nodiscard]] BlockOverhead measure_block_overheads(World& world, double cores_per_rank, const RepeatOptions& options);
// The median of each. REQUIRES: at least one round, all of one job.
[[nodiscard]] BlockOverhead median_of(const std::vector<BlockOverhead>& rounds);

}  // namespace sextant
