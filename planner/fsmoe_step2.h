// Step 2 of FSMoE's gradient partition (eq. 5 of the paper), solved numerically as in the paper.
//
// What Step 1 leaves for the tail may instead lengthen MoE blocks: x_i more elements in the block of
// position i, at the degree that is then best for it. With n_i, the remainder of Step 1 that exists
// when block i runs and fits into no later window, minimise
//
//     sum over i of F_i(G_i + x_i) + tail(sum of n - sum of x),   sum_{j<=i} x_j <= sum_{j<=i} n_j
//
// which is the causality that the authors' code enforces (the paper prints another index range).
// Variables are the shares y_i in [0, 1] of what may still move at block i, so that every point is
// feasible. The exact answer is partition_exactly; this stands beside it so that the gap is known.
#pragma once

#include "planner/gradient_partition_problem.h"

namespace sextant {

struct Step2Options {
  unsigned long seed = 1;
  int max_evaluations = 20000;  // of the objective, shared by the global and the local search
};

struct Step2Result {
  Partition partition;
  Seconds time;       // backward_time of the partition
  int variables = 0;  // blocks that have a remainder
  int evaluations = 0;
};

// NLopt's controlled random search (GN_CRS2_LM) from the seed, then Sbplx from the best point found.
// Like the paper's code falls back to the simple answers where they are better: every remainder in its
// own layer, or all in the tail. Deterministic: the same problem and seed give the same answer.
[[nodiscard]] Step2Result fsmoe_step2(const PartitionProblem& problem, const Step2Options& options = {});

}  // namespace sextant
