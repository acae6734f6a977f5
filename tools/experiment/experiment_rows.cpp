#include "tools/experiment/experiment_rows.h"

#include <algorithm>
#include <iterator>
#include <map>
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

std::optional<double> mean_or_none(const std::vector<double>& values) {
  if (values.empty()) return std::nullopt;
  return mean(values);
}

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
          .lower_bound = p.prediction.lower_bound,
          .exposed = prediction.exposed_communication,
          .measured = time_statistics(std::move(all)),
          .repeat_medians = repeat_medians(times)};
}

// Of the rows of one name and layout.
std::optional<double> communication_share(std::span<const ExperimentRow> rows) {
  const ExperimentRow* serial = fastest_predicted(rows, to_text(Policy::kSequential));
  if (serial == nullptr) return std::nullopt;
  return serial->exposed / serial->predicted;
}

}  // namespace

std::vector<Seconds> repeat_medians(const StepTimes& times) {
  std::vector<Seconds> medians;
  for (const std::vector<Seconds>& repeat : times) medians.push_back(time_statistics(repeat).median);
  return medians;
}

std::optional<double> repeat_spread(const std::vector<Seconds>& medians) {
  if (medians.size() < 2) return std::nullopt;
  const auto [least, largest] = std::ranges::minmax(medians);
  return largest / least - 1.0;
}

std::vector<ExperimentRow> make_rows(std::span<const ExperimentPlan> plans, const CostModel& costs,
                                     std::span<const StepTimes> times) {
  std::vector<ExperimentRow> rows;
  for (std::size_t i = 0; i < plans.size(); ++i) rows.push_back(make_row(plans[i], costs, times[i]));
  set_communication_shares(rows);
  return rows;
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

std::vector<RowGroup> case_rows(std::span<const ExperimentRow> rows) {
  std::vector<RowGroup> cases;
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) {
    std::ranges::move(group_rows(group.rows, &ExperimentRow::layout), std::back_inserter(cases));
  }
  return cases;
}

const ExperimentRow* fastest_predicted(std::span<const ExperimentRow> rows, const std::string& schedule) {
  const ExperimentRow* best = nullptr;
  for (const ExperimentRow& row : rows) {
    if (row.schedule == schedule && (best == nullptr || row.predicted < best->predicted)) best = &row;
  }
  return best;
}

void set_communication_shares(std::span<ExperimentRow> rows) {
  std::map<std::pair<std::string, std::string>, std::optional<double>> shares;
  for (const RowGroup& group : case_rows(rows)) {
    shares[{group.rows.front().name, group.key}] = communication_share(group.rows);
  }
  for (ExperimentRow& row : rows) row.communication_share = shares.at({row.name, row.layout});
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

std::optional<double> repeat_kendall_tau(std::span<const ExperimentRow> rows) {
  std::vector<double> taus;
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) {
    std::vector<Comparison> repeats;
    for (const ExperimentRow& row : group.rows) {
      if (row.repeat_medians.size() < 2) continue;
      repeats.push_back(
          {.predicted = row.repeat_medians.front().value(), .measured = row.repeat_medians.back().value()});
    }
    if (repeats.size() < 2) continue;
    if (const std::optional<double> tau = kendall_tau(repeats)) taus.push_back(*tau);
  }
  return mean_or_none(taus);
}

double measured_over_lower_bound(std::span<const ExperimentRow> rows) {
  std::vector<double> ratios;
  for (const ExperimentRow& row : rows) ratios.push_back(row.measured.median / row.lower_bound);
  return geometric_mean(ratios);
}

}  // namespace sextant
