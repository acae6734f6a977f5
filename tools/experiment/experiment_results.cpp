#include "tools/experiment/experiment_results.h"

#include <algorithm>
#include <optional>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/statistics.h"

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

Json optional_json(const std::optional<double>& value) {
  return value ? Json(*value) : Json(nullptr);
}

Json accuracy_json(const Accuracy& a) {
  return {{"median_abs_error", a.median_abs_error},      {"p95_abs_error", a.p95_abs_error},
          {"mean_abs_error", a.mean_abs_error},          {"median_error", a.median_error},
          {"kendall_tau", optional_json(a.kendall_tau)}, {"regret", optional_json(a.regret)}};
}

std::string plan_text(const ExperimentRow& row) {
  return fmt::format("{} {} {}/{}", row.schedule, row.layout, row.forward_degree, row.backward_degree);
}

Json name_json(const RowGroup& group) {
  const auto predicted = std::ranges::min_element(group.rows, {}, &ExperimentRow::predicted);
  const auto measured =
      std::ranges::min_element(group.rows, {}, [](const ExperimentRow& row) { return row.measured.median; });
  Json json{{"name", group.key}, {"plans", group.rows.size()}};
  json.update(accuracy_json(accuracy(group.rows, &ExperimentRow::predicted)));
  json["predicted_fastest"] = plan_text(*predicted);
  json["measured_fastest"] = plan_text(*measured);
  return json;
}

Json names_json(std::span<const ExperimentRow> rows) {
  Json list = Json::array();
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::name)) list.push_back(name_json(group));
  return list;
}

Json by_schedule_json(std::span<const ExperimentRow> rows) {
  Json json = Json::object();
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::schedule)) {
    json[group.key] = accuracy_json(accuracy(group.rows, &ExperimentRow::predicted));
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

// How much the machine itself changed between the repeats of one plan.
double median_repeat_spread(std::span<const ExperimentRow> rows) {
  std::vector<double> spreads;
  for (const ExperimentRow& row : rows) spreads.push_back(row.repeat_spread);
  return quantile(spreads, 0.5);
}

std::string accuracy_text(const char* label, const Accuracy& a) {
  const std::string tau = a.kendall_tau ? fmt::format("{:.3f}", *a.kendall_tau) : "-";
  const std::string regret = a.regret ? fmt::format("{:.1f} %", 100.0 * *a.regret) : "-";
  return fmt::format("{:<24}{:>10.1f} %{:>8.1f} %{:>+8.1f} %{:>8}{:>10}\n", label, 100.0 * a.median_abs_error,
                     100.0 * a.p95_abs_error, 100.0 * a.median_error, tau, regret);
}

std::string speedup_text(const std::vector<Speedup>& speedups, const std::string& reference) {
  if (speedups.empty()) return "";
  std::string text = fmt::format("\n{:<24}{:>11}{:>11}{:>13}{:>8}\n", "faster than " + reference, "measured",
                                 "predicted", "uncontended", "cases");
  for (const Speedup& s : speedups) {
    text += fmt::format("{:<24}{:>10.3f}x{:>10.3f}x{:>12.3f}x{:>8}\n", s.schedule, s.measured, s.predicted,
                        s.uncontended, s.cases);
  }
  return text;
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
      "predicted_uncontended_s,measured_mean_s,repeat_spread\n";
  for (const ExperimentRow& row : rows) {
    text += fmt::format("{},{},{},{},{},{},{},{}\n", key_fields(row), row.micro_batch, row.num_micro_batches,
                        row.predicted_low.value(), row.predicted_high.value(), row.uncontended.value(),
                        row.measured.mean.value(), row.repeat_spread);
  }
  return text;
}

std::string experiment_json(const ExperimentResults& results) {
  const std::vector<Speedup> over_reference = speedups(results.rows, results.reference);
  Json json{{"schema", kExperimentSchema},     {"date", results.date},
            {"backend", results.backend},      {"machine", results.machine},
            {"nodes", results.topology.nodes}, {"devices_per_node", results.topology.devices_per_node},
            {"plans", results.rows.size()}};
  json.update(accuracy_json(accuracy(results.rows, &ExperimentRow::predicted)));
  json["without_contention"] = accuracy_json(accuracy(results.rows, &ExperimentRow::uncontended));
  json["repeat_spread"] = median_repeat_spread(results.rows);
  json["reference"] = results.reference;
  json["speedup"] = speedup_json(over_reference, &Speedup::measured);
  json["speedup_predicted"] = speedup_json(over_reference, &Speedup::predicted);
  json["speedup_without_contention"] = speedup_json(over_reference, &Speedup::uncontended);
  json["speedup_cases"] = speedup_json(over_reference, &Speedup::cases);
  json["by_schedule"] = by_schedule_json(results.rows);
  json["names"] = names_json(results.rows);
  json["rows"] = rows_json(results.rows);
  json["skipped"] = skipped_json(results.skipped);
  return json.dump() + "\n";
}

std::string experiment_text(const ExperimentResults& results) {
  std::string text = fmt::format("{:<24}{:>12}{:>10}{:>10}{:>8}{:>10}\n", "prediction", "median |e|", "p95 |e|",
                                 "median e", "tau", "regret");
  text += accuracy_text("with contention", accuracy(results.rows, &ExperimentRow::predicted));
  text += accuracy_text("without contention", accuracy(results.rows, &ExperimentRow::uncontended));
  text += speedup_text(speedups(results.rows, results.reference), results.reference);
  return text + fmt::format("\n{} plans, {} skipped; the median of a plan moved by {:.1f} % between its repeats\n",
                            results.rows.size(), results.skipped.size(), 100.0 * median_repeat_spread(results.rows));
}

}  // namespace sextant
