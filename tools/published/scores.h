// How far predictions are from published runs: errors by row, order within groups of layouts.
#pragma once

#include <string>
#include <vector>

#include "models/setup_memory.h"
#include "models/step_estimate.h"
#include "models/units.h"
#include "tools/published/published_run.h"

namespace sextant {

struct ScoredRun {
  PublishedRun run;
  StepEstimate estimate;
  [[nodiscard]] double error() const { return estimate.total() / run.step_time - 1.0; }
};

// Rows of one group with at least two layouts of different speed.
struct GroupScore {
  std::string name;
  int rows = 0;
  double kendall_tau = 0.0;
  double top1_regret = 0.0;
};

// How well predictions order the rows of groups.
struct OrderScore {
  std::vector<GroupScore> groups;
  double kendall_tau = 0.0;  // mean over the groups, as the next
  double top1_regret = 0.0;
};

// Rows of one source, or of one device and precision.
struct PartScore {
  std::string name;
  int rows = 0;
  double mean_error = 0.0;
  double mean_abs_error = 0.0;
};

// A row whose note says how much memory it took, or that there was not enough.
struct MemoryScore {
  PublishedRun run;
  MemoryBreakdown memory;  // as stated
  bool fits = false;       // as stated or, where the row leaves recomputation open, with all of it
  // Of the published peak. REQUIRES: run.peak_memory.
  [[nodiscard]] double error() const { return run.peak_memory->of(memory) / run.peak_memory->bytes - 1.0; }
};

struct Scores {
  std::vector<ScoredRun> runs;  // with a measured speed
  std::vector<SkippedRun> skipped;
  OrderScore order;
  // Of groups whose rows are also of one source: releases of a framework differ in speed on the same layout, which no
  // model of layouts can order.
  OrderScore order_within_source;
  std::vector<MemoryScore> peaks;            // with a published peak
  std::vector<MemoryScore> wrongly_refused;  // ran, but is said not to fit
  std::vector<MemoryScore> wrongly_taken;    // ran out of memory, but is said to fit
  std::vector<PartScore> sources;            // in order of appearance, as the next
  std::vector<PartScore> devices;
  double mean_abs_error = 0.0;
};

// Throws ConfigError for a table that lacks a column.
[[nodiscard]] Scores score(const CsvTable& table, const Catalogue& catalogue);

}  // namespace sextant
