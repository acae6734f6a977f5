#include "tools/experiment/experiment_choice.h"

#include <algorithm>
#include <utility>

#include "models/error.h"
#include "models/statistics.h"

namespace sextant {
namespace {

using RowIndices = std::vector<std::size_t>;

// Rows of each name, names in order of first row; names of one row are left out.
std::vector<RowIndices> compared_rows(std::span<const ExperimentRow> rows) {
  std::vector<RowIndices> groups;
  for (std::size_t i = 0; i < rows.size(); ++i) {
    const auto group =
        std::ranges::find(groups, rows[i].name, [&](const RowIndices& of_name) { return rows[of_name.front()].name; });
    if (group == groups.end()) {
      groups.push_back({i});
    } else {
      group->push_back(i);
    }
  }
  std::erase_if(groups, [](const RowIndices& of_name) { return of_name.size() < 2; });
  return groups;
}

std::size_t picked_row(std::span<const ExperimentRow> rows, const RowIndices& of_name) {
  return *std::ranges::min_element(
      of_name, {}, [&](std::size_t i) { return std::pair(rows[i].predicted, -rows[i].measured.median.value()); });
}

// The same pick among those measured again.
NameChoice judged_again(NameChoice choice, const std::vector<const Finalist*>& finalists) {
  const auto time = [](const Finalist* finalist) { return finalist->statistics().median; };
  const auto row = [](const Finalist* finalist) { return finalist->row; };
  const auto found = std::ranges::find(finalists, choice.picked, row);
  SEXTANT_CHECK(found != finalists.end(), "the pick of {} was not measured again", choice.name);
  const Finalist* picked = *found;
  const Finalist* fastest = *std::ranges::min_element(finalists, {}, time);
  choice.plans = static_cast<int>(finalists.size());
  choice.fastest = fastest->row;
  choice.picked_time = time(picked);
  choice.fastest_time = time(fastest);
  for (std::size_t repeat = 0; repeat < fastest->times.size(); ++repeat) {
    choice.regret_by_repeat.push_back(picked->median_of(repeat) / fastest->median_of(repeat) - 1.0);
  }
  return choice;
}

}  // namespace

std::vector<NameChoice> choices(std::span<const ExperimentRow> rows) {
  std::vector<NameChoice> result;
  for (const RowIndices& of_name : compared_rows(rows)) {
    const auto time = [&](std::size_t i) { return rows[i].measured.median; };
    const std::size_t picked = picked_row(rows, of_name);
    const std::size_t fastest = *std::ranges::min_element(of_name, {}, time);
    result.push_back({.name = rows[picked].name,
                      .plans = static_cast<int>(of_name.size()),
                      .picked = picked,
                      .fastest = fastest,
                      .picked_time = time(picked),
                      .fastest_time = time(fastest),
                      .regret_by_repeat = {}});
  }
  return result;
}

std::vector<std::size_t> finalists(std::span<const ExperimentRow> rows, int plans) {
  RowIndices result;
  for (RowIndices of_name : compared_rows(rows)) {
    const std::size_t picked = picked_row(rows, of_name);
    std::erase(of_name, picked);
    std::ranges::stable_sort(of_name, {}, [&](std::size_t i) { return rows[i].measured.median; });
    of_name.resize(std::min(of_name.size(), static_cast<std::size_t>(plans)));
    result.push_back(picked);
    result.insert(result.end(), of_name.begin(), of_name.end());
  }
  std::ranges::sort(result);
  return result;
}

TimeStatistics Finalist::statistics() const {
  std::vector<Seconds> all;
  for (const std::vector<Seconds>& repeat : times) all.insert(all.end(), repeat.begin(), repeat.end());
  return time_statistics(std::move(all));
}

Seconds Finalist::median_of(std::size_t repeat) const {
  return time_statistics(times.at(repeat)).median;
}

std::vector<NameChoice> final_choices(std::span<const ExperimentRow> rows, std::span<const Finalist> finalists) {
  std::vector<NameChoice> result;
  for (NameChoice& first : choices(rows)) {
    std::vector<const Finalist*> of_name;
    for (const Finalist& finalist : finalists) {
      if (rows[finalist.row].name == first.name) of_name.push_back(&finalist);
    }
    result.push_back(judged_again(std::move(first), of_name));
  }
  return result;
}

std::optional<ChoiceScore> choice_score(std::span<const NameChoice> choices) {
  if (choices.empty()) return std::nullopt;
  std::vector<double> regrets;
  for (const NameChoice& choice : choices) regrets.push_back(choice.regret());
  return ChoiceScore{.mean_regret = mean(regrets), .worst_regret = std::ranges::max(regrets)};
}

}  // namespace sextant
