// The gradient partition and the backward's pipeline degrees together, with a bound.
//
// The bound, and why the answer is exact where one group's reductions have affine cost. Only slices
// that delay a block count; the others are dropped, which cannot lengthen anything. A part of the
// backward (a block with degree r, or the dense part behind it) takes max(T, path + G) with slices of
// G seconds in its slot; so G - (T - path) seconds of it are exposed, and of the reduction work of n
// elements, n beta, at most
//
//     capacity = max over the groups that have gradients by then of (T - path - alpha)
//
// stays hidden, because a slot that hides anything holds at least one slice. Work can be hidden only
// after its gradients exist. So the backward lasts at least
//
//     sum of T + max(0, max over k of (work that exists from slot k on - capacity from slot k on)),
//
// the backlog of backlog_problem.h: what a slot cannot hide waits, and waiting costs nothing before
// the tail, where every second costs one. Exposing a slice in the middle costs that second as well, and
// its alpha. With one group the greedy filling of the chosen capacities reaches the value, hence it is
// optimal; with several groups a slot may pay more than one alpha, and the gap says how much that is.
// For each link alone there is a second bound, by load: what becomes ready from some time on has to
// pass the link together with the link's own traffic after that time. The larger bound is returned.
#pragma once

#include "planner/gradient_partition_problem.h"

namespace sextant {

struct ExactPartition {
  Partition partition;
  Seconds time;    // backward_time of the partition
  Seconds bound;   // no partition into these slots, with whatever degrees, has a shorter backward
  int states = 0;  // partial choices that the dynamic program expanded
  [[nodiscard]] double gap() const { return bound > Seconds(0.0) ? (time - bound) / bound : 0.0; }
};

// Deterministic. The bound holds for costs that lie above ReductionCost's affine function (at the
// sampled sizes that is checked).
[[nodiscard]] ExactPartition partition_exactly(const PartitionProblem& problem);

}  // namespace sextant
