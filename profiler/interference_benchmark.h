// What ranks and resources cost each other: waiting at a collective that follows work, and the
// slow-down of work and collectives that run side by side.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/units.h"
#include "profiler/block_slow_down.h"
#include "profiler/repeat.h"

namespace sextant {

// Both measured in rounds: like TimedCall, the median counts over the blocks of all of them.
class InterferenceBenchmark {
 public:
  // `options` are those of a round, `cores_per_rank` as measure_cores_per_rank gives it.
  InterferenceBenchmark(const Topology& topology, double cores_per_rank, const RepeatOptions& options);

  // Collective over `world`, which has `topology`.
  void run_round(World& world);

  // Cluster::synchronization: time of (work, small all-to-all over all ranks) less that of the work and of the
  // all-to-all alone, at least 0. Where ranks share cores they reach a collective one after the other, which no
  // benchmark of the collective alone sees. 0 for one rank.
  [[nodiscard]] Seconds synchronization() const;
  // How all-to-alls of either link tier slow down beside work, and where there are both tiers beside one another, both
  // by the same: of two sizes, in a pipelined block. What they take of the work is CostEstimate::compute_share; the
  // synchronization is what the cost model adds to a collective already. Empty for one rank.
  [[nodiscard]] std::vector<Contention> contention() const;

 private:
  using Call = std::function<void(Stream&)>;

  // Of a block and of one call of each of its parts alone, on the slowest rank. Those of one place were timed in turn.
  struct Samples {
    std::vector<double> works, exchanges, blocks;  // s, [blocks of all rounds]
    std::vector<double> compute_shares;            // [round]
    int products = 0;                              // that the work is; the same in every round
  };
  static constexpr std::size_t kSizes = 2;
  using Pair = std::array<Samples, kSizes>;  // of small and large exchanges

  void wait_after_work(World& world);
  void run_beside_work(World& world, Communicator& group, Pair& samples);
  void run_tiers(World& world, Communicator& intra, Communicator& inter);
  void run_blocks(World& world, const Call& exchange, const Call& work, int repeats, Samples& samples) const;
  [[nodiscard]] int repeats(std::size_t size) const;
  [[nodiscard]] BlockTimes median(const Samples& samples, Slowed slowed) const;

  Topology topology_;
  double cores_per_rank_;
  RepeatOptions options_;
  std::vector<double> waits_;  // s, of blocks of all rounds
  Pair intra_, inter_;         // beside work
  Pair tiers_;                 // inter_ with exchanges inside nodes in the place of work
};

}  // namespace sextant
