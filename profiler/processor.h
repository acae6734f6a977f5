// What collectives take of the processor that kernels run on, by work beside them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

#include "executor/runtime/runtime.h"
#include "models/units.h"
#include "profiler/repeat.h"

namespace sextant {

// Matrix products of the size of a small expert's, each on other rows of a few MiB: work that needs cores and caches as
// kernels do. Copies share their operands and are for one stream at a time.
class BusyWork {
 public:
  // As many products as take `processor_time` of one core on rank 0, at least one; as many on every rank. Collective
  // over `world`.
  BusyWork(World& world, Seconds processor_time);
  void operator()() const;

 private:
  struct Operands;
  std::shared_ptr<Operands> operands_;
  std::int64_t products_ = 1;
};

// Measures CostEstimate::compute_share of collectives by work on another stream.
class ComputeShareBenchmark {
 public:
  explicit ComputeShareBenchmark(World& world);  // collective over `world`

  // Of a collective that takes `alone` without work beside it: the part of its pace that work loses while the calls
  // that `call` issues to `stream` run beside it back to back, for a rate of the calls of 1; 0 to 1. Whatever takes it
  // counts: the collective's own thread, the kernel's handling of packets, changes between threads, caches. Mean over
  // the ranks, all of which work at once. Collective over the world; every rank gets the same result.
  [[nodiscard]] double measure(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                               const RepeatOptions& options) const;

 private:
  World& world_;
  BusyWork unit_;
  std::unique_ptr<Stream> side_;
};

}  // namespace sextant
