// The layers of a network cut into pipeline stages so that the step is as fast as can be.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "models/units.h"

namespace sextant {

struct StageSplitProblem {
  int layers = 1;
  int stages = 1;  // each gets at least one layer
  // Time of `stage` with layers [begin, end), infinite where they do not fit. REQUIRES: never less with more layers.
  std::function<Seconds(int stage, int begin, int end)> time;
  Seconds slowest_at_least{};  // what the slowest stage of every split takes, such as the mean: where the search starts
};

// Layers of each stage, or nothing where no split fits. Exact: among all contiguous splits that fit, the slowest stage
// is least. A bound on it is raised, each time to the next value that a stage could reach; for a given bound every
// stage from the last takes as many layers as it may, and no other split leaves fewer to the stages before. Of the
// splits as good, the one whose stages are nearest to the mean of what is left, from the first on.
// REQUIRES: 1 <= stages <= layers.
[[nodiscard]] std::optional<std::vector<int>> least_slowest_stage(const StageSplitProblem& problem);

// Weights of a step in its stages: slowest * max t_i + sum * (sum of t_i), neither negative.
struct SplitObjective {
  double slowest = 1.0;
  double sum = 0.0;
  Seconds sum_at_least{};  // what the stages of every split take together
};
// The same for a step of which the stages' sum is a part too: it depends on the split where a stage's time is not the
// sum of its layers' (some recompute). Exact: for every value that the slowest stage can take, from the least up to
// where the sum cannot make good for it, the split with the least sum (dynamic programming over the layers). Of splits
// as good, the one with the least sum of squares of its layers, of these the one with the longest first stages.
[[nodiscard]] std::optional<std::vector<int>> least_weighted_split(const StageSplitProblem& problem,
                                                                   const SplitObjective& objective);
// The time of the slowest stage of a split.
[[nodiscard]] Seconds slowest_stage(const StageSplitProblem& problem, const std::vector<int>& split);

}  // namespace sextant
