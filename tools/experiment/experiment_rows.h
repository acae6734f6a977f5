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
  Seconds uncontended{};  // predicted for the same plan with every slow-down 1
  Seconds lower_bound{};  // no order of this layout's tasks is faster on the model (step_lower_bound)
  Seconds exposed{};      // predicted time in which only links are busy
  // exposed / predicted of the sequential plan of the same name and layout; absent where none ran.
  std::optional<double> communication_share{};
  TimeStatistics measured{};              // over all steps of all repeats
  std::vector<Seconds> repeat_medians{};  // of each repeat
};
// A row a plan. `costs` price the plans. REQUIRES: for every plan times of at least one step.
[[nodiscard]] std::vector<ExperimentRow> make_rows(std::span<const ExperimentPlan> plans, const CostModel& costs,
                                                   std::span<const StepTimes> times);
// The median of each repeat. REQUIRES: as above.
[[nodiscard]] std::vector<Seconds> repeat_medians(const StepTimes& times);
// Largest / least median - 1; absent where there is one. REQUIRES: at least one.
[[nodiscard]] std::optional<double> repeat_spread(const std::vector<Seconds>& medians);

// Rows that agree in one member, groups in order of their first row.
struct RowGroup {
  std::string key;
  std::vector<ExperimentRow> rows;
};
[[nodiscard]] std::vector<RowGroup> group_rows(std::span<const ExperimentRow> rows, std::string ExperimentRow::*member);
// Rows of one name and layout, for every such pair; `key` is the layout.
[[nodiscard]] std::vector<RowGroup> case_rows(std::span<const ExperimentRow> rows);
// The row of `schedule` that is predicted fastest, the first of several; null where it has none.
[[nodiscard]] const ExperimentRow* fastest_predicted(std::span<const ExperimentRow> rows, const std::string& schedule);
// Sets the share of every row. REQUIRES: `predicted` and `exposed` of all rows.
void set_communication_shares(std::span<ExperimentRow> rows);

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

// Kendall's tau-b between the first and the last repeat of the plans of one name, mean over the names: how far the
// machine itself keeps the order that a prediction is asked for. Absent where plans ran once.
[[nodiscard]] std::optional<double> repeat_kendall_tau(std::span<const ExperimentRow> rows);

// How many times the lower bound of its layout a plan takes: geometric mean over the rows.
// REQUIRES: at least one row.
[[nodiscard]] double measured_over_lower_bound(std::span<const ExperimentRow> rows);

}  // namespace sextant
