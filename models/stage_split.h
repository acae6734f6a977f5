// The layers of a network cut into pipeline stages, and the way in which each stage computes its layers, so that the
// step is as fast as can be.
#pragma once

#include <cstddef>
#include <functional>
#include <limits>
#include <optional>
#include <vector>

#include "models/units.h"

namespace sextant {

// Layers [begin, end) on pipeline stage `stage`.
struct StageLayers {
  int stage = 0;
  int begin = 0;
  int end = 0;
};

// One way to compute the layers of a stage, such as with one recomputation.
struct StageWay {
  std::vector<Seconds> before{};  // [layers + 1] time of the first n layers
  Seconds head{};                 // more on the last stage
};

struct StageSplitProblem {
  int stages = 1;                // each gets at least one layer
  std::vector<StageWay> ways{};  // REQUIRES: no layer takes less in a later way
  // Whether a stage has room for its layers computed in that way; empty: always. REQUIRES: what fits does so with
  // fewer layers.
  std::function<bool(std::size_t way, const StageLayers& layers)> fits{};
  Seconds slowest_at_least{};  // known of the slowest stage of every split that fits: where the search starts

  [[nodiscard]] int layers() const { return static_cast<int>(ways.front().before.size()) - 1; }
  [[nodiscard]] Seconds time(std::size_t way, const StageLayers& stage) const;
  // The first way with room for these layers.
  [[nodiscard]] std::optional<std::size_t> fastest_way(const StageLayers& stage) const;
};

struct StageSplit {
  std::vector<int> layers{};        // [stages]
  std::vector<std::size_t> ways{};  // [stages]
  Seconds slowest{};                // stage
  Seconds sum{};                    // of all stages

  void add(const StageSplitProblem& problem, const StageLayers& stage, std::size_t way);  // the next stage
};

// A time of stages and one that is the same but for roundings, as sums of the same layers in another order are.
[[nodiscard]] bool within(Seconds time, Seconds bound);

struct LeastSlowest {
  std::optional<StageSplit> split;  // nothing where none fits, or only slower ones than asked for
  Seconds at_least{};               // no split's slowest stage takes less: without a split infinite, or more than asked
};
// Exact: among all contiguous splits with all ways of their stages, the slowest stage is least. For a given bound on it
// every stage from the last takes as many layers as it may, and no other split leaves fewer to the stages before; the
// bound is found by bisection between times that stages can take. Of the splits as good, the one whose stages are
// nearest to the mean of what is left, from the first on. Splits whose slowest stage takes more than `at_most` are not
// looked for, which is cheap to find out.
// REQUIRES: 1 <= stages <= layers; at least one way.
[[nodiscard]] LeastSlowest least_slowest_stage(const StageSplitProblem& problem,
                                               Seconds at_most = Seconds(std::numeric_limits<double>::infinity()));

// Weights of a step in its stages: slowest * max t_i + sum * (sum of t_i), neither negative.
struct SplitObjective {
  double slowest = 1.0;
  double sum = 0.0;
  // What costs more than this is not looked for.
  Seconds at_most{std::numeric_limits<double>::infinity()};
  [[nodiscard]] Seconds of(Seconds slowest_stage, Seconds sum_of_stages) const {
    return slowest * slowest_stage + sum * sum_of_stages;
  }
  // No split whose stages take at least `sum_of_stages` costs at most `cost` with a slower slowest stage than this.
  [[nodiscard]] Seconds slowest_at_most(Seconds cost, Seconds sum_of_stages) const;
};
// The same for a step of which the stages' sum is a part too: it depends on the split where stages compute in different
// ways. Nothing where no split fits that costs at most `at_most`. Exact: the least sum (models/least_sum_split.h) falls
// as the slowest stage may be slower; of two such bounds the higher one's least sum is a lower bound for all between,
// which are halved until none can cost less than the best found.
[[nodiscard]] std::optional<StageSplit> least_weighted_split(const StageSplitProblem& problem,
                                                             const SplitObjective& objective);

}  // namespace sextant
