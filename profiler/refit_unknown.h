// A number of a cluster that a measured step shows only together with others: found by simulating the step.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "models/cluster_correction.h"
#include "planner/observed_step.h"
#include "planner/task_graph.h"
#include "planner/timeline.h"

namespace sextant {

// The larger the number, the longer its tasks take.
struct Unknown {
  std::string name{};
  std::vector<TaskId> tasks{};
  double low = 0.0;  // range
  double high = 0.0;
  double old_value = 1.0;                                   // at which it corrects nothing
  std::function<ClusterCorrections(double)> corrections{};  // that the number stands for
  Seconds moved{};                                          // counted with the measured time of its tasks
  double value = 1.0;
};

// Sum over an unknown's tasks; measured without `moved`.
[[nodiscard]] Seconds measured_sum(const Unknown& unknown, const ObservedStep& observed);
[[nodiscard]] Seconds simulated_sum(const Unknown& unknown, const Timeline& timeline);

// What the unknowns are found from. References must outlive the call.
struct UnknownsOf {
  const TaskGraph& graph;
  const ObservedStep& observed;
  const Cluster& cluster;
  const ClusterCorrections& known;
};
// Sets each `value`, one after the other by halving until none moves, to where its simulated tasks last as long as the
// measured ones; to the nearest end of its range where that lies outside. It stays at `old_value` where they last as
// long within two standard errors, or where it changes nothing.
void find_unknowns(std::vector<Unknown>& unknowns, const UnknownsOf& of);

}  // namespace sextant
