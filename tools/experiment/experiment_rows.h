// Predicted beside measured, a row a plan, and how good the predictions of some rows are.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "executor/trainer.h"
#include "models/cost_model.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_runner.h"

namespace sextant {

struct ExperimentRow {
  std::string name{};
  std::string schedule{};
  std::string layout{};
  std::string forward_degree{};  // "2", or "1..4" where the layers differ
  std::string backward_degree{};
  std::int64_t micro_batch = 0;
  int num_micro_batches = 0;
  Seconds predicted{};
  Seconds predicted_low{};
  Seconds predicted_high{};
  Seconds uncontended{};       // predicted for the same plan with every slow-down 1
  TimeStatistics measured{};   // over all steps of all repeats
  double repeat_spread = 0.0;  // largest / least median of a repeat - 1
};
// `costs` price the plan. REQUIRES: times of at least one step.
[[nodiscard]] ExperimentRow make_row(const ExperimentPlan& plan, const CostModel& costs, const StepTimes& times);

// Rows that agree in one member, groups in order of their first row.
struct RowGroup {
  std::string key;
  std::vector<ExperimentRow> rows;
};
[[nodiscard]] std::vector<RowGroup> group_rows(std::span<const ExperimentRow> rows, std::string ExperimentRow::*member);

struct Accuracy {
  double median_abs_error = 0.0;
  double mean_abs_error = 0.0;
  double p95_abs_error = 0.0;
  double median_error = 0.0;          // signed: predicted / measured - 1
  std::optional<double> kendall_tau;  // mean over the names in which both times order the plans
  std::optional<double> regret;       // mean over the names of more than one plan
};
// Of the prediction `predicted`: &ExperimentRow::predicted or ::uncontended. Plans are put in order among
// those of one name only. REQUIRES: at least one row.
[[nodiscard]] Accuracy accuracy(std::span<const ExperimentRow> rows, Seconds ExperimentRow::*predicted);

// How much faster a schedule is than the reference: geometric means over the pairs of name and layout in
// which both ran, each by its row that is predicted fastest.
struct Speedup {
  std::string schedule;
  int cases = 0;
  double measured = 1.0;
  double predicted = 1.0;
  double uncontended = 1.0;
};
// Every schedule but the reference that has a case, in order of first row.
[[nodiscard]] std::vector<Speedup> speedups(std::span<const ExperimentRow> rows, const std::string& reference);

}  // namespace sextant
