#include "tools/experiment/experiment_results.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/statistics.h"
#include "tools/experiment/experiment_speedups.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

// A CSV field; quoted where a reader would need it.
std::string field(const std::string& text) {
  if (text.find_first_of(",\"\n\r") == std::string::npos) return text;
  std::string quoted = "\"";
  for (const char c : text) quoted += c == '"' ? "\"\"" : std::string(1, c);
  return quoted + "\"";
}

std::string key_fields(const ExperimentRow& row) {
  return fmt::format("{},{},{},{},{}", field(row.name), row.schedule, row.layout, row.forward_degree,
                     row.backward_degree);
}

std::string optional_field(const std::optional<double>& value) {
  return value ? fmt::format("{}", *value) : "";
}

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json accuracy_json(const Accuracy& a) {
  return {{"median_abs_error", a.median_abs_error},      {"p95_abs_error", a.p95_abs_error},
          {"mean_abs_error", a.mean_abs_error},          {"median_error", a.median_error},
          {"kendall_tau", optional_json(a.kendall_tau)}, {"regret", optional_json(a.regret)}};
}

Json names_json(std::span<const ExperimentRow> rows) {
  Json list = Json::array();
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) {
    list.push_back({{"name", group.key}, {"plans", group.rows.size()}});
    list.back().update(accuracy_json(accuracy(group.rows, &ExperimentRow::predicted)));
  }
  return list;
}

Json chosen_plan_json(const ExperimentRow& row, std::size_t index, Seconds measured) {
  return {{"plan", index + 1},
          {"schedule", row.schedule},
          {"layout", row.layout},
          {"r_fwd", row.forward_degree},
          {"r_bwd", row.backward_degree},
          {"predicted_s", row.predicted.value()},
          {"measured_s", measured.value()}};
}

// Null where no name has two plans to choose from.
Json choice_json(std::span<const ExperimentRow> rows, const std::vector<NameChoice>& choices) {
  const std::optional<ChoiceScore> score = choice_score(choices);
  if (!score) return nullptr;
  Json json{{"mean_regret", score->mean_regret}, {"worst_regret", score->worst_regret}, {"names", Json::array()}};
  for (const NameChoice& choice : choices) {
    Json of_name{{"name", choice.name},
                 {"plans", choice.plans},
                 {"regret", choice.regret()},
                 {"picked", chosen_plan_json(rows[choice.picked], choice.picked, choice.picked_time)},
                 {"fastest", chosen_plan_json(rows[choice.fastest], choice.fastest, choice.fastest_time)}};
    if (!choice.regret_by_repeat.empty()) of_name["regret_by_repeat"] = choice.regret_by_repeat;
    json["names"].push_back(std::move(of_name));
  }
  return json;
}

Json by_schedule_json(std::span<const ExperimentRow> rows) {
  Json json = Json::object();
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::schedule)) {
    json[group.key] = accuracy_json(accuracy(group.rows, &ExperimentRow::predicted));
    json[group.key]["measured_over_lower_bound"] = measured_over_lower_bound(group.rows);
    json[group.key]["plans"] = group.rows.size();
  }
  return json;
}

Json rows_json(std::span<const ExperimentRow> rows) {
  Json list = Json::array();
  for (const ExperimentRow& row : rows) {
    list.push_back({{"name", row.name},
                    {"schedule", row.schedule},
                    {"layout", row.layout},
                    {"r_fwd", row.forward_degree},
                    {"r_bwd", row.backward_degree},
                    {"predicted_s", row.predicted.value()},
                    {"predicted_uncontended_s", row.uncontended.value()},
                    {"lower_bound_s", row.lower_bound.value()},
                    {"measured_s", row.measured.median.value()},
                    {"measured_p10_s", row.measured.p10.value()},
                    {"measured_p90_s", row.measured.p90.value()}});
  }
  return list;
}

Json skipped_json(std::span<const SkippedPlan> skipped) {
  Json list = Json::array();
  for (const SkippedPlan& plan : skipped) {
    list.push_back({{"name", plan.name},
                    {"schedule", plan.schedule},
                    {"layout", plan.layout},
                    {"degrees", plan.degrees},
                    {"reason", plan.reason}});
  }
  return list;
}

// schedule -> one member of its speed-up.
template <typename Value>
Json speedup_json(const std::vector<Speedup>& speedups, Value Speedup::*member) {
  Json json = Json::object();
  for (const Speedup& speedup : speedups) json[speedup.schedule] = speedup.*member;
  return json;
}

// Over one reference, in one group of cases.
Json speedup_group_json(const CaseGroup& group, const std::string& reference) {
  Json schedules = Json::object();
  for (const Speedup& s : speedups(group.rows, reference)) {
    schedules[s.schedule] = {{"measured", s.measured},
                             {"predicted", s.predicted},
                             {"without_contention", s.uncontended},
                             {"cases", s.cases}};
  }
  Json share;
  if (group.share) share = {group.share->least, group.share->largest};
  return {{"over", reference},
          {"group", group.label},
          {"communication_share", std::move(share)},
          {"cases", group.cases},
          {"schedules", std::move(schedules)}};
}

Json speedup_groups_json(std::span<const ExperimentRow> rows, const std::vector<std::string>& references) {
  Json list = Json::array();
  for (const std::string& reference : references) {
    for (const CaseGroup& group : case_groups(rows)) list.push_back(speedup_group_json(group, reference));
  }
  return list;
}

}  // namespace

std::string results_csv(std::span<const ExperimentRow> rows) {
  std::string text = "name,schedule,layout,r_fwd,r_bwd,predicted_s,measured_s,measured_p10_s,measured_p90_s,error\n";
  for (const ExperimentRow& row : rows) {
    const Comparison comparison{.predicted = row.predicted.value(), .measured = row.measured.median.value()};
    text += fmt::format("{},{},{},{},{},{}\n", key_fields(row), comparison.predicted, comparison.measured,
                        row.measured.p10.value(), row.measured.p90.value(), relative_error(comparison));
  }
  return text;
}

std::string details_csv(std::span<const ExperimentRow> rows) {
  std::string text =
      "name,schedule,layout,r_fwd,r_bwd,micro_batch,num_micro_batches,predicted_low_s,predicted_high_s,"
      "predicted_uncontended_s,measured_mean_s,repeat_spread,lower_bound_s,communication_share\n";
  for (const ExperimentRow& row : rows) {
    text += fmt::format("{},{},{},{},{},{},{},{},{},{}\n", key_fields(row), row.micro_batch, row.num_micro_batches,
                        row.predicted_low.value(), row.predicted_high.value(), row.uncontended.value(),
                        row.measured.mean.value(), optional_field(repeat_spread(row.repeat_medians)),
                        row.lower_bound.value(), optional_field(row.communication_share));
  }
  return text;
}

std::optional<double> median_repeat_spread(std::span<const ExperimentRow> rows) {
  std::vector<double> spreads;
  for (const ExperimentRow& row : rows) {
    if (const std::optional<double> spread = repeat_spread(row.repeat_medians)) spreads.push_back(*spread);
  }
  if (spreads.empty()) return std::nullopt;
  return quantile(spreads, 0.5);
}

std::string final_csv(std::span<const ExperimentRow> rows, std::span<const Finalist> finalists) {
  std::string text =
      "name,schedule,layout,r_fwd,r_bwd,plan,predicted_s,measured_s,final_s,final_p10_s,final_p90_s,repeat_spread,"
      "picked\n";
  const std::vector<NameChoice> judged = final_choices(rows, finalists);
  for (const Finalist& finalist : finalists) {
    const ExperimentRow& row = rows[finalist.row];
    const TimeStatistics again = finalist.statistics();
    const bool is_picked = std::ranges::count(judged, finalist.row, &NameChoice::picked) > 0;
    text += fmt::format("{},{},{},{},{},{},{},{},{}\n", key_fields(row), finalist.row + 1, row.predicted.value(),
                        row.measured.median.value(), again.median.value(), again.p10.value(), again.p90.value(),
                        optional_field(repeat_spread(repeat_medians(finalist.times))), is_picked ? 1 : 0);
  }
  return text;
}

std::string experiment_json(const ExperimentResults& results) {
  const std::vector<Speedup> over_reference = speedups(results.rows, results.references.front());
  Json json{{"schema", kExperimentSchema},     {"date", results.date},
            {"backend", results.backend},      {"machine", results.machine},
            {"nodes", results.topology.nodes}, {"devices_per_node", results.topology.devices_per_node},
            {"plans", results.rows.size()}};
  json.update(accuracy_json(accuracy(results.rows, &ExperimentRow::predicted)));
  json["without_contention"] = accuracy_json(accuracy(results.rows, &ExperimentRow::uncontended));
  json["measured_over_lower_bound"] = measured_over_lower_bound(results.rows);
  json["repeat_spread"] = optional_json(median_repeat_spread(results.rows));
  json["repeat_kendall_tau"] = optional_json(repeat_kendall_tau(results.rows));
  json["choice"] = choice_json(results.rows, choices(results.rows));
  if (!results.finalists.empty()) {
    json["final"] = choice_json(results.rows, final_choices(results.rows, results.finalists));
    json["final"]["repeats"] = results.finalists.front().times.size();
  }
  json["reference"] = results.references.front();
  json["speedup"] = speedup_json(over_reference, &Speedup::measured);
  json["speedup_predicted"] = speedup_json(over_reference, &Speedup::predicted);
  json["speedup_without_contention"] = speedup_json(over_reference, &Speedup::uncontended);
  json["speedup_cases"] = speedup_json(over_reference, &Speedup::cases);
  json["references"] = results.references;
  json["speedups"] = speedup_groups_json(results.rows, results.references);
  json["by_schedule"] = by_schedule_json(results.rows);
  json["names"] = names_json(results.rows);
  json["rows"] = rows_json(results.rows);
  json["skipped"] = skipped_json(results.skipped);
  return json.dump() + "\n";
}

}  // namespace sextant
