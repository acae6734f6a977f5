// Small problems of splitting layers into pipeline stages, and their answers by enumeration.
#pragma once

#include <algorithm>
#include <functional>
#include <limits>
#include <numeric>
#include <optional>
#include <vector>

#include "models/stage_split.h"

namespace sextant {

// Layers of given times, the head on the last stage, and which stages have room for what.
struct SplitJob {
  std::vector<double> layer_times_L;
  double head = 0.0;
  int stages = 1;
  std::vector<double> factors{1.0};  // of the layers' times, [ways]
  std::function<bool(std::size_t way, const StageLayers& layers)> fits{};

  [[nodiscard]] StageSplitProblem problem() const {
    StageSplitProblem problem{.stages = stages, .fits = fits};
    for (const double factor : factors) {
      StageWay way{.before = {Seconds(0.0)}, .head = Seconds(head)};
      for (const double time : layer_times_L) way.before.push_back(way.before.back() + Seconds(factor * time));
      problem.ways.push_back(way);
    }
    return problem;
  }
};

inline SplitJob job_of(int layers, int stages, double head) {
  return {.layer_times_L = std::vector<double>(static_cast<std::size_t>(layers), 1.0), .head = head, .stages = stages};
}

// Stages that hold more than their room compute it in a way that takes half as long again and has room for three more.
inline SplitJob crowded(SplitJob job, const std::vector<int>& room) {
  job.factors = {1.0, 1.5};
  job.fits = [room](std::size_t way, const StageLayers& layers) {
    const int more = way == 0 ? 0 : 3;
    return layers.end - layers.begin <= room[static_cast<std::size_t>(layers.stage)] + more;
  };
  return job;
}

// `visit` with every contiguous split that fits, each stage in its fastest way.
template <typename Visit>
void for_every_split(const StageSplitProblem& problem, Visit visit, const StageSplit& split = {}) {
  const int begin = std::accumulate(split.layers.begin(), split.layers.end(), 0);
  const int stage = static_cast<int>(split.layers.size());
  if (stage == problem.stages) {
    if (begin == problem.layers()) visit(split);
    return;
  }
  for (int end = begin + 1; end <= problem.layers() - (problem.stages - stage - 1); ++end) {
    const std::optional<std::size_t> way = problem.fastest_way({stage, begin, end});
    if (!way) continue;
    StageSplit longer = split;
    longer.add(problem, {stage, begin, end}, *way);
    for_every_split(problem, visit, longer);
  }
}

// The least of what `cost` says of any split; infinite where none fits.
template <typename Cost>
double least_of_every_split(const StageSplitProblem& problem, Cost cost) {
  double best = std::numeric_limits<double>::infinity();
  for_every_split(problem, [&](const StageSplit& split) { best = std::min(best, cost(split).value()); });
  return best;
}

}  // namespace sextant
