#include "tools/experiment/experiment_text.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

#include "models/units.h"
#include "tools/experiment/experiment_speedups.h"

namespace sextant {
namespace {

constexpr std::size_t kLabelWidth = 30;

double percent(double fraction) {
  return 100.0 * fraction;
}

std::string label(const std::string& text) {
  return fmt::format("{:<{}}", text, kLabelWidth);
}

// ---- errors ----

std::string errors(const Accuracy& a) {
  return fmt::format("{:>10.1f} %{:>8.1f} %{:>+8.1f} %", percent(a.median_abs_error), percent(a.p95_abs_error),
                     percent(a.median_error));
}

std::string accuracy_line(const std::string& name, const Accuracy& a) {
  const std::string tau = a.kendall_tau ? fmt::format("{:.3f}", *a.kendall_tau) : "-";
  const std::string regret = a.regret ? fmt::format("{:.1f} %", percent(*a.regret)) : "-";
  return fmt::format("{}{}{:>8}{:>10}\n", label(name), errors(a), tau, regret);
}

std::string accuracy_text(std::span<const ExperimentRow> rows) {
  std::string text = fmt::format("{}{:>12}{:>10}{:>10}{:>8}{:>10}\n", label("prediction"), "median |e|", "p95 |e|",
                                 "median e", "tau", "regret");
  text += accuracy_line("with contention", accuracy(rows, &ExperimentRow::predicted));
  return text + accuracy_line("without contention", accuracy(rows, &ExperimentRow::uncontended));
}

std::string schedule_line(const std::string& schedule, std::span<const ExperimentRow> rows) {
  return fmt::format("{}{}{:>8}{:>17.2f}x\n", label(schedule), errors(accuracy(rows, &ExperimentRow::predicted)),
                     rows.size(), measured_over_lower_bound(rows));
}

std::string schedules_text(std::span<const ExperimentRow> rows) {
  std::string text = fmt::format("\n{}{:>12}{:>10}{:>10}{:>8}{:>18}\n", label("schedule"), "median |e|", "p95 |e|",
                                 "median e", "plans", "measured/bound");
  for (const RowGroup& group : group_rows(rows, &ExperimentRow::schedule)) text += schedule_line(group.key, group.rows);
  return text + schedule_line("all", rows);
}

// ---- speed-ups ----

// A column a schedule.
struct SpeedupColumns {
  std::vector<std::string> schedules;

  [[nodiscard]] static std::size_t width(const std::string& schedule) {
    return std::max<std::size_t>(schedule.size(), 9) + 2;
  }
  // A cell a schedule that has a case, by `text`; "-" for the others.
  template <typename Text>
  [[nodiscard]] std::string cells(const std::vector<Speedup>& speedups, const Text& text) const {
    std::string line;
    for (const std::string& schedule : schedules) {
      const auto found = std::ranges::find(speedups, schedule, &Speedup::schedule);
      line += fmt::format("{:>{}}", found == speedups.end() ? "-" : text(*found), width(schedule));
    }
    return line + "\n";
  }
};

std::string share_text(const CaseGroup& group) {
  if (!group.share) return "-";
  const std::string least = fmt::format("{:.0f}", percent(group.share->least));
  const std::string largest = fmt::format("{:.0f}", percent(group.share->largest));
  return (least == largest ? least : least + ".." + largest) + " %";
}

// Measured, with the number of cases where a schedule ran in fewer than the group has; of all cases also predicted.
std::string group_text(const CaseGroup& group, const std::string& reference, const SpeedupColumns& columns,
                       bool with_predictions) {
  const std::vector<Speedup> found = speedups(group.rows, reference);
  const auto measured = [&](const Speedup& s) {
    return fmt::format("{:.3f}x{}", s.measured, s.cases < group.cases ? fmt::format("/{}", s.cases) : "");
  };
  std::string text = fmt::format("{}{:>14}{:>7}{}", label(group.label), share_text(group), group.cases,
                                 columns.cells(found, measured));
  if (!with_predictions) return text;
  const auto add = [&](const char* name, double Speedup::*member) {
    text += fmt::format("{}{:>21}{}", label(name), "",
                        columns.cells(found, [&](const Speedup& s) { return fmt::format("{:.3f}x", s.*member); }));
  };
  add("  predicted", &Speedup::predicted);
  add("  without contention", &Speedup::uncontended);
  return text;
}

std::string speedup_text(std::span<const ExperimentRow> rows, const std::string& reference) {
  SpeedupColumns columns;
  for (const Speedup& s : speedups(rows, reference)) columns.schedules.push_back(s.schedule);
  if (columns.schedules.empty()) return "";
  std::string text = fmt::format("\n{}{:>14}{:>7}", label("times as fast as " + reference), "communication", "cases");
  for (const std::string& schedule : columns.schedules) {
    text += fmt::format("{:>{}}", schedule, SpeedupColumns::width(schedule));
  }
  text += "\n";
  bool is_first = true;
  for (const CaseGroup& group : case_groups(rows)) {
    text += group_text(group, reference, columns, is_first);
    is_first = false;
  }
  return text;
}

// ---- choice ----

std::string plan_text(const ExperimentRow& row) {
  return fmt::format("{} on {}, degrees {}, {}", row.schedule, row.layout, row.forward_degree, row.backward_degree);
}

std::string repeats_text(const std::vector<double>& regrets) {
  if (regrets.empty()) return "";
  const auto [least, largest] = std::ranges::minmax(regrets);
  return fmt::format(" ({:+.1f} to {:+.1f} % by repeat)", percent(least), percent(largest));
}

std::string choices_text(const char* title, std::span<const ExperimentRow> rows,
                         const std::vector<NameChoice>& choices) {
  const std::optional<ChoiceScore> score = choice_score(choices);
  if (!score) return "";
  std::string text = fmt::format("\n{}\n", title);
  for (const NameChoice& choice : choices) {
    text += fmt::format("{}: the pick takes {:+.1f} %{}, of {} plans\n", choice.name, percent(choice.regret()),
                        repeats_text(choice.regret_by_repeat), choice.plans);
    text += fmt::format("  picked {:>14}  {}\n", to_text(choice.picked_time), plan_text(rows[choice.picked]));
    text += fmt::format("  fastest {:>13}  {}\n", to_text(choice.fastest_time), plan_text(rows[choice.fastest]));
  }
  return text +
         fmt::format("mean {:.1f} %, worst {:.1f} %\n", percent(score->mean_regret), percent(score->worst_regret));
}

std::string choice_text(const ExperimentResults& results) {
  std::string text =
      choices_text("plan predicted fastest beside the one measured fastest", results.rows, choices(results.rows));
  if (results.finalists.empty()) return text;
  return text + choices_text("the same, the pick and those that looked fastest measured again", results.rows,
                             final_choices(results.rows, results.finalists));
}

std::string spread_text(std::span<const ExperimentRow> rows) {
  const std::optional<double> spread = median_repeat_spread(rows);
  if (!spread) return "each plan ran once";
  std::string text = fmt::format("the median of a plan moved by {:.1f} % between its repeats", percent(*spread));
  if (const std::optional<double> tau = repeat_kendall_tau(rows)) {
    text += fmt::format(", which order the plans alike with tau {:.2f}", *tau);
  }
  return text;
}

}  // namespace

std::string experiment_text(const ExperimentResults& results) {
  std::string text = accuracy_text(results.rows) + schedules_text(results.rows);
  for (const std::string& reference : results.references) text += speedup_text(results.rows, reference);
  return text + choice_text(results) +
         fmt::format("\n{} plans, {} skipped; {}\n", results.rows.size(), results.skipped.size(),
                     spread_text(results.rows));
}

}  // namespace sextant
