// A training run as JSON and as text: its log lines, its trace and its summary.
#pragma once

#include <cstdint>
#include <string>

#include "executor/trainer.h"
#include "planner/plan.h"

namespace sextant {

// Everything known of a run. References must outlive it.
struct RunResults {
  const Plan& plan;
  const StepPrediction& prediction;
  const TrainSummary& summary;
  std::string backend;
  std::string date;  // of the end, ISO 8601
  std::string data;  // path of the text
  double unigram_entropy_nats = 0.0;
};

// One line of log.jsonl.
[[nodiscard]] std::string step_json(const StepRecord& record);
// "step 12/200  loss 2.3456  10234 tokens/s  step time 51.2 ms (predicted 48.0 ms)"
[[nodiscard]] std::string progress_text(const StepRecord& record, std::int64_t num_steps, Seconds predicted);
// trace.json: every rank of the traced step, under its prediction where there is one.
[[nodiscard]] std::string trace_json(const RunResults& results);
// summary.json; all times in seconds.
[[nodiscard]] std::string summary_json(const RunResults& results);
// The table that ends a run on the terminal.
[[nodiscard]] std::string summary_text(const RunResults& results);

}  // namespace sextant
