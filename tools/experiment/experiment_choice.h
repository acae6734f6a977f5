// Whether the plan that Sextant picks for a name, the one predicted fastest of all, is the one measured fastest.
//
// The least of many measured times is less than any of these plans takes: noise chose it. So the pick and the
// few that look fastest may be measured once more, in turn, and judged by those times alone.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/experiment/experiment_rows.h"

namespace sextant {

// Rows by their index in the list.
struct NameChoice {
  std::string name;
  int plans = 0;            // compared
  std::size_t picked = 0;   // predicted fastest; of several alike the one that took longest in the first measurement
  std::size_t fastest = 0;  // measured fastest, the first of several
  Seconds picked_time;
  Seconds fastest_time;
  std::vector<double> regret_by_repeat;  // of a final round: picked / fastest - 1 in each repeat

  [[nodiscard]] double regret() const { return picked_time / fastest_time - 1.0; }
};

// By the first measurement; names of more than one plan, in order of first row.
[[nodiscard]] std::vector<NameChoice> choices(std::span<const ExperimentRow> rows);

// Of every name with more than one plan the pick and, beside it, the `plans` that were measured fastest;
// indices of rows, ascending.
[[nodiscard]] std::vector<std::size_t> finalists(std::span<const ExperimentRow> rows, int plans);

// What a finalist took when it was measured again. REQUIRES of `times`: as of make_rows.
struct Finalist {
  std::size_t row = 0;
  StepTimes times;  // [repeat][step]

  [[nodiscard]] TimeStatistics statistics() const;
  [[nodiscard]] Seconds median_of(std::size_t repeat) const;
};
// By the final round. REQUIRES: all of finalists(), each with the same number of repeats.
[[nodiscard]] std::vector<NameChoice> final_choices(std::span<const ExperimentRow> rows,
                                                    std::span<const Finalist> finalists);

struct ChoiceScore {
  double mean_regret = 0.0;
  double worst_regret = 0.0;
};
// Over the names; absent where there is none.
[[nodiscard]] std::optional<ChoiceScore> choice_score(std::span<const NameChoice> choices);

}  // namespace sextant
