// Choice of one option per layer where gradient work queues up behind the layers: the core of the
// exact gradient partition, free of everything but numbers.
//
// Work is seconds of link time. Before layer p `arrival` (which may be negative: capacity of its own) joins the
// backlog; the layer's option costs `price` and hides up to `capacity` of the backlog; then `dense_arrival` joins and
// the dense part hides up to `dense_capacity`. What is left after the last layer costs `terminal(backlog)`:
//
//   b <- max(0, b + arrival - capacity(option));  b <- max(0, b + dense_arrival - dense_capacity)
//   minimise  sum of prices + terminal(b)
#pragma once

#include <functional>
#include <vector>

namespace sextant {

struct BacklogOption {
  double price_s = 0.0;
  double capacity_s = 0.0;
};

struct BacklogLayer {
  int kind = 0;  // index into BacklogProblem::kinds
  double arrival_s = 0.0;
  double dense_arrival_s = 0.0;
  double dense_capacity_s = 0.0;
};

struct BacklogProblem {
  std::vector<std::vector<BacklogOption>> kinds;  // option sets; layers of one kind are interchangeable
  std::vector<BacklogLayer> layers;               // in the order of the backward
  // Never falls and never rises faster than its argument.
  std::function<double(double backlog_s)> terminal;
  // A convex function below `terminal`: max(floor, offset + backlog).
  double terminal_floor_s = 0.0;
  double terminal_offset_s = 0.0;
};

struct BacklogSolution {
  std::vector<int> options;  // [layer] index into the option set of its kind
  double value_s = 0.0;
  double bound_s = 0.0;  // no choice is cheaper; equals value_s unless states had to be dropped
  int states = 0;        // partial choices that were expanded
};

// The cheapest choice, by dynamic programming over (cost, backlog) pairs. Pairs are dropped only when
// another one is at least as good whatever follows, or when the linear relaxation of the remaining
// layers shows that they cannot beat the best choice known. With more than `max_states` pairs after
// a layer the least promising are dropped too and `bound_s` says what that may have cost.
// REQUIRES: every kind has at least one option; at least one layer.
[[nodiscard]] BacklogSolution solve(const BacklogProblem& problem, int max_states = 512);

}  // namespace sextant
