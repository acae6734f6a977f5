// The layers of a network cut into pipeline stages so that the slowest stage is as fast as can be.
#pragma once

#include <functional>
#include <optional>
#include <vector>

#include "models/units.h"

namespace sextant {

struct StageSplitProblem {
  std::vector<Seconds> layer_times_L;  // [L layers]
  Seconds last_stage;                  // added to the last stage: the head
  int stages = 1;                      // each gets at least one layer
  // Whether `stage` has the memory for layers [begin, end). REQUIRES: monotone: what fits still does with fewer
  // layers. Absent: everything fits.
  std::function<bool(int stage, int begin, int end)> fits{};
};

// Layers of each stage, or nothing where no split fits. Exact: among all contiguous splits that fit, the slowest stage
// is least. A bound on it is raised from the mean of the stages, each time to the next value that a stage could reach;
// for a given bound every stage from the last takes as many layers as it may, and no other split leaves fewer to the
// stages before. Of the splits as good, the one whose stages are nearest to the mean of what is left, from the first
// on. REQUIRES: 1 <= stages <= L.
[[nodiscard]] std::optional<std::vector<int>> least_slowest_stage(const StageSplitProblem& problem);

}  // namespace sextant
