// The files in which an experiment tells what it found; the table is in experiment_text.h.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "models/layout.h"
#include "tools/experiment/experiment_choice.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_rows.h"

namespace sextant {

// results.csv: name, schedule, layout, r_fwd, r_bwd, predicted_s, measured_s, measured_p10_s,
// measured_p90_s, error. measured_s is the median; error is predicted_s / measured_s - 1.
[[nodiscard]] std::string results_csv(std::span<const ExperimentRow> rows);
// details.csv: what else is known of the same rows, in the same order.
[[nodiscard]] std::string details_csv(std::span<const ExperimentRow> rows);
// final.csv: name, schedule, layout, r_fwd, r_bwd, plan (its file's number), predicted_s, measured_s as in
// results.csv, then of the final round final_s, final_p10_s, final_p90_s, repeat_spread, and picked (1 or 0).
[[nodiscard]] std::string final_csv(std::span<const ExperimentRow> rows, std::span<const Finalist> finalists);

inline constexpr const char* kExperimentSchema = "sextant/experiment_summary@1";

// Everything of summary.json. What the spans show must outlive it.
struct ExperimentResults {
  std::span<const ExperimentRow> rows;
  std::span<const SkippedPlan> skipped;
  std::span<const Finalist> finalists;  // empty: no final round
  std::vector<std::string> references;  // speed-ups are over each of these schedules
  std::string backend;
  std::string machine;
  std::string date;  // of the end, ISO 8601
  Topology topology;
};
// summary.json, on one line. REQUIRES: at least one row and one reference.
[[nodiscard]] std::string experiment_json(const ExperimentResults& results);
// How much the machine itself changed between the repeats of one plan: median over the rows; absent where none ran
// more than once.
[[nodiscard]] std::optional<double> median_repeat_spread(std::span<const ExperimentRow> rows);

}  // namespace sextant
