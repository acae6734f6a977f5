// What collectives take of the processor that kernels run on.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>

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

// Matrix products of the size of a small expert's, each on other rows of a few MiB: work that needs cores and caches as
// kernels do. Takes about a quarter of a millisecond of a core. Copies share their operands and are for one stream.
class ProductWork {
 public:
  ProductWork();
  void operator()() const;

 private:
  struct Operands;
  std::shared_ptr<Operands> operands_;
};

// Measures CostEstimate::compute_share of collectives. Inside one node, where nothing but the collective's own thread
// works for it, by that thread's clock; between nodes, where the kernel also handles packets, which is in no thread's
// clock, by the pace that work loses beside it: there whatever slows work down counts.
class ComputeShareBenchmark {
 public:
  // `cores_per_rank` as measure_cores_per_rank gives it. Collective over `world`.
  ComputeShareBenchmark(World& world, double cores_per_rank);

  // Of a collective that takes `alone` without work beside it and that `call` issues to `stream`; 0 to 1. Mean over the
  // ranks, all of which work at once. Collective over the world; every rank gets the same result.
  [[nodiscard]] double measure(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                               const RepeatOptions& options) const;

 private:
  // The part of its pace that work on another stream loses beside calls back to back, for a rate of the calls of 1.
  [[nodiscard]] double lost_pace(Stream& stream, const std::function<void(Stream&)>& call, Seconds alone,
                                 const RepeatOptions& options) const;

  World& world_;
  double cores_per_rank_;
  ProductWork work_;
  std::unique_ptr<Stream> side_;
};

}  // namespace sextant
