// How much faster one schedule is than another: over all cases of an experiment, over those in which
// communication takes a given share of the serial step, and layout by layout.
//
// A case is a pair of name and layout; in it each schedule stands by its row that is predicted fastest.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "tools/experiment/experiment_rows.h"

namespace sextant {

// Geometric means over the cases in which the schedule and the reference both ran.
struct Speedup {
  std::string schedule;
  int cases = 0;
  double measured = 1.0;
  double predicted = 1.0;
  double uncontended = 1.0;
};
// Every schedule but the reference that has a case, in order of first row.
[[nodiscard]] std::vector<Speedup> speedups(std::span<const ExperimentRow> rows, const std::string& reference);

// Shares of the serial step, both included.
struct ShareRange {
  double least = 0.0;
  double largest = 0.0;
};
// Where communication neither vanishes nor hides everything else: what the speed-ups of a schedule are asked for.
inline constexpr ShareRange kBalancedShare{.least = 0.4, .largest = 0.7};

// Some of the cases of an experiment.
struct CaseGroup {
  std::string label;  // "all cases", "communication 40 to 70 %", or a layout
  std::vector<ExperimentRow> rows;
  int cases = 0;
  std::optional<ShareRange> share;  // of communication, over the cases in which it is known; absent where in none
};
// All cases; where a share is known, those within kBalancedShare, though there be none; where there are several
// layouts, those of each, in order of first row.
[[nodiscard]] std::vector<CaseGroup> case_groups(std::span<const ExperimentRow> rows);

}  // namespace sextant
