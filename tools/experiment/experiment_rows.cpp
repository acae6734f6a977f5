#include "tools/experiment/experiment_rows.h"

#include <algorithm>
#include <utility>

#include "models/statistics.h"
#include "planner/step_prediction.h"
#include "tools/plan_table.h"

namespace sextant {
namespace {

std::vector<Comparison> comparisons(std::span<const ExperimentRow> rows, Seconds ExperimentRow::*predicted) {
  std::vector<Comparison> result;
  for (const ExperimentRow& row : rows) {
    result.push_back({.predicted = (row.*predicted).value(), .measured = row.measured.median.value()});
  }
  return result;
}

double repeat_spread(const StepTimes& times) {
  std::vector<Seconds> medians;
  for (const std::vector<Seconds>& repeat : times) medians.push_back(time_statistics(repeat).median);
  const auto [least, largest] = std::ranges::minmax(medians);
  return largest / least - 1.0;
}

std::optional<double> mean_or_none(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return mean(values);
}

// The row of `schedule` that is predicted fastest; null where it has none.
const ExperimentRow* fastest(const std::vector<ExperimentRow>& rows, const std::string& schedule) {
  const ExperimentRow* best = nullptr;
  for (const ExperimentRow& row : rows) {
    if (row.schedule == schedule && (best == nullptr || row.predicted < best->predicted)) best = &row;
  }
  return best;
}

// Rows of one name and layout, for every such pair.
std::vector<RowGroup> cases_of(std::span<const ExperimentRow> rows) {
  std::vector<RowGroup> cases;
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) {
    std::ranges::move(group_rows(group.rows, &ExperimentRow::layout), std::back_inserter(cases));
  }
  return cases;
}

// Of one schedule, absent where it ran beside the reference nowhere.
std::optional<Speedup> speedup(const std::vector<RowGroup>& cases, const std::string& schedule,
                               const std::string& reference) {
  std::vector<double> measured;
  std::vector<double> predicted;
  std::vector<double> uncontended;
  for (const RowGroup& group : cases) {
    const ExperimentRow* row = fastest(group.rows, schedule);
    const ExperimentRow* base = fastest(group.rows, reference);
    if (row == nullptr || base == nullptr) continue;
    measured.push_back(base->measured.median / row->measured.median);
    predicted.push_back(base->predicted / row->predicted);
    uncontended.push_back(base->uncontended / row->uncontended);
  }
  if (measured.empty()) return std::nullopt;
  return Speedup{.schedule = schedule,
                 .cases = static_cast<int>(measured.size()),
                 .measured = geometric_mean(measured),
                 .predicted = geometric_mean(predicted),
                 .uncontended = geometric_mean(uncontended)};
}

}  // namespace

ExperimentRow make_row(const ExperimentPlan& plan, const CostModel& costs, const StepTimes& times) {
  const Plan& p = plan.plan;
  const StepPrediction prediction = predict_step(p, &costs);
  const UncontendedCostModel uncontended(costs);
  std::vector<Seconds> all;
  for (const std::vector<Seconds>& repeat : times) all.insert(all.end(), repeat.begin(), repeat.end());
  return {.name = plan.name,
          .schedule = to_text(p.schedule.policy),
          .layout = to_text(p.step.layout.degrees()),
          .forward_degree = degrees_text(p.schedule, Pass::kForward),
          .backward_degree = degrees_text(p.schedule, Pass::kBackward),
          .micro_batch = p.step.micro_batch,
          .num_micro_batches = p.step.num_micro_batches,
          .predicted = prediction.step_time,
          .predicted_low = prediction.step_time_low,
          .predicted_high = prediction.step_time_high,
          .uncontended = predict_step(p, &uncontended).step_time,
          .measured = time_statistics(std::move(all)),
          .repeat_spread = repeat_spread(times)};
}

std::vector<RowGroup> group_rows(std::span<const ExperimentRow> rows, std::string ExperimentRow::*member) {
  std::vector<RowGroup> groups;
  for (const ExperimentRow& row : rows) {
    auto group = std::ranges::find(groups, row.*member, &RowGroup::key);
    if (group == groups.end()) group = groups.insert(groups.end(), {row.*member, {}});
    group->rows.push_back(row);
  }
  return groups;
}

Accuracy accuracy(std::span<const ExperimentRow> rows, Seconds ExperimentRow::*predicted) {
  const std::vector<Comparison> all = comparisons(rows, predicted);
  const std::vector<double> absolute = absolute_errors(all);
  std::vector<double> with_sign(all.size());
  std::ranges::transform(all, with_sign.begin(), relative_error);
  std::vector<double> taus;
  std::vector<double> regrets;
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) {
    if (group.rows.size() < 2) continue;
    const std::vector<Comparison> of_group = comparisons(group.rows, predicted);
    if (const std::optional<double> tau = kendall_tau(of_group)) taus.push_back(*tau);
    regrets.push_back(top1_regret(of_group));
  }
  return {.median_abs_error = quantile(absolute, 0.5),
          .mean_abs_error = mean(absolute),
          .p95_abs_error = quantile(absolute, 0.95),
          .median_error = quantile(with_sign, 0.5),
          .kendall_tau = mean_or_none(taus),
          .regret = mean_or_none(regrets)};
}

std::vector<Speedup> speedups(std::span<const ExperimentRow> rows, const std::string& reference) {
  const std::vector<RowGroup> cases = cases_of(rows);
  std::vector<Speedup> result;
  for (const RowGroup& of_schedule : group_rows(rows, &ExperimentRow::schedule)) {
    if (of_schedule.key == reference) continue;
    if (std::optional<Speedup> found = speedup(cases, of_schedule.key, reference)) result.push_back(std::move(*found));
  }
  return result;
}

}  // namespace sextant
