// How each system of the paper's comparison plans one layer (spec 6.1).
#pragma once

#include <vector>

#include "models/cost_model.h"
#include "planner/fsmoe_algorithm1.h"
#include "planner/moe_block.h"
#include "tests/validation/fsmoe_paper/layer_time.h"

namespace sextant::fsmoe_paper {

// What a system believes of the block when it chooses degrees.
enum class Belief {
  // Its own planner. Those with one communication queue (all but sequential and fsmoe) merge gather and
  // scatter into the all-to-all: alpha_a + (alpha_g + alpha_s) / 2 and beta_a + 2 (beta_g + beta_s), both
  // per dispatched element. That counts the gathered volume as 4 times the dispatched one: right on
  // testbed B with 4 GPUs a node, half of it on testbed A with 8. fsmoe_no_iio takes its slice from fsmoe.
  kOwn,
  // The exact time of its own queues.
  kExact,
};

// Plans of all systems for one layer; prices its chunks once.
class LayerPlanner {
 public:
  // `step` has two layers; `degrees` are the admissible ones, ascending. Both pricing and planning
  // know nothing of contention.
  LayerPlanner(const StepShape& step, const CostModel& costs, std::vector<int> degrees);

  [[nodiscard]] LayerPlan plan(Policy policy, Belief belief) const;

  // Admissible degree of the least three-queue time without gradients, and Algorithm 1 beside it.
  [[nodiscard]] int fsmoe_degree(Pass pass) const;
  [[nodiscard]] DegreeComparison compare(Pass pass) const;
  // The block's chunk times as the paper's lines, through degrees 1 and the largest.
  [[nodiscard]] BlockLines lines(Pass pass) const;

 private:
  struct Share {
    int degree = 1;
    std::int64_t in_block = 0;
  };
  [[nodiscard]] const ChunkTimes& chunk(Pass pass, int degree) const;
  [[nodiscard]] ChunkTimes merged_chunk(Pass pass, int degree) const;
  [[nodiscard]] Seconds reduce_time(std::int64_t elements) const;
  [[nodiscard]] std::int64_t reducible_in(Seconds time) const;
  [[nodiscard]] Share partition(BlockQueues queues) const;
  template <typename ChunkAt>
  [[nodiscard]] int best_degree(ChunkAt chunk_at, Seconds gradient, BlockQueues queues) const;

  const StepShape& step_;
  std::vector<int> degrees_;
  std::vector<ChunkTimes> forward_;   // [degree - 1]
  std::vector<ChunkTimes> backward_;  // [degree - 1]
  std::int64_t gradient_ = 0;         // elements of one layer over dp
  Seconds reduce_alpha_;
  Seconds reduce_whole_;  // of all elements, without start-up
  Seconds attention_;     // idle time of a common queue beside the attention
  Seconds dense_;         // idle time of the link between nodes outside the blocks
};

}  // namespace sextant::fsmoe_paper
