// What collectives take of the processor that kernels run on.
#pragma once

#include <functional>

#include "executor/runtime/runtime.h"
#include "models/units.h"
#include "profiler/repeat.h"

namespace sextant {

// A fixed number of multiply-adds without memory traffic: takes processor time and disturbs nothing else.
class BusyWork {
 public:
  // As many as take `processor_time` of one core on rank 0; the same number on every rank. Collective over `world`.
  BusyWork(World& world, Seconds processor_time);
  void operator()() const;

 private:
  std::int64_t steps_ = 0;
};

// Cores that a rank has when every rank wants two, 0 to 2: half a core where 4 ranks share 2. Collective over `world`.
[[nodiscard]] double measure_cores_per_rank(World& world, const RepeatOptions& options);

// Processor time that one call takes of the thread that carries out `stream`, the mean over the ranks; in one block of
// back-to-back calls. Collective over `world`.
[[nodiscard]] Seconds measure_processor_time(World& world, Stream& stream, const std::function<void(Stream&)>& call,
                                             const RepeatOptions& options);

// CostEstimate::compute_share of a call that takes `time` alone, and `processor_time` of a rank's `cores`: what it
// needs beyond the cores that a kernel of one thread leaves idle, as part of those that the kernel has. 0 to 1.
[[nodiscard]] double compute_share(Seconds time, Seconds processor_time, double cores);

}  // namespace sextant
