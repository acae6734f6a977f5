// The files and the table in which an experiment tells what it found.
#pragma once

#include <span>
#include <string>

#include "models/layout.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_rows.h"

namespace sextant {

// results.csv: name, schedule, layout, r_fwd, r_bwd, predicted_s, measured_s, measured_p10_s,
// measured_p90_s, error. measured_s is the median; error is predicted_s / measured_s - 1.
[[nodiscard]] std::string results_csv(std::span<const ExperimentRow> rows);
// details.csv: what else is known of the same rows, in the same order.
[[nodiscard]] std::string details_csv(std::span<const ExperimentRow> rows);

inline constexpr const char* kExperimentSchema = "sextant/experiment_summary@1";

// Everything of summary.json. What the spans show must outlive it.
struct ExperimentResults {
  std::span<const ExperimentRow> rows;
  std::span<const SkippedPlan> skipped;
  std::string reference;  // speed-ups are over this schedule
  std::string backend;
  std::string machine;
  std::string date;  // of the end, ISO 8601
  Topology topology;
};
// summary.json, on one line.
[[nodiscard]] std::string experiment_json(const ExperimentResults& results);
// The table that ends an experiment on the terminal.
[[nodiscard]] std::string experiment_text(const ExperimentResults& results);

}  // namespace sextant
