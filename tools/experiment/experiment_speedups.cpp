#include "tools/experiment/experiment_speedups.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "models/statistics.h"

namespace sextant {
namespace {

// Of one schedule, absent where it ran beside the reference nowhere.
std::optional<Speedup> speedup(const std::vector<RowGroup>& cases, const std::string& schedule,
                               const std::string& reference) {
  std::vector<double> measured;
  std::vector<double> predicted;
  std::vector<double> uncontended;
  for (const RowGroup& group : cases) {
    const ExperimentRow* row = fastest_predicted(group.rows, schedule);
    const ExperimentRow* base = fastest_predicted(group.rows, reference);
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

CaseGroup make_group(std::string label, std::vector<ExperimentRow> rows) {
  CaseGroup group{
      .label = std::move(label), .rows = {}, .cases = static_cast<int>(case_rows(rows).size()), .share = {}};
  for (const ExperimentRow& row : rows) {
    if (!row.communication_share) continue;
    const double share = *row.communication_share;
    if (!group.share) group.share = ShareRange{.least = share, .largest = share};
    group.share->least = std::min(group.share->least, share);
    group.share->largest = std::max(group.share->largest, share);
  }
  group.rows = std::move(rows);
  return group;
}

CaseGroup balanced_cases(std::span<const ExperimentRow> rows) {
  std::vector<ExperimentRow> chosen;
  for (const ExperimentRow& row : rows) {
    const std::optional<double> share = row.communication_share;
    if (share && *share >= kBalancedShare.least && *share <= kBalancedShare.largest) chosen.push_back(row);
  }
  return make_group(
      fmt::format("communication {:.0f} to {:.0f} %", 100.0 * kBalancedShare.least, 100.0 * kBalancedShare.largest),
      std::move(chosen));
}

}  // namespace

std::vector<Speedup> speedups(std::span<const ExperimentRow> rows, const std::string& reference) {
  const std::vector<RowGroup> cases = case_rows(rows);
  std::vector<Speedup> result;
  for (const RowGroup& of_schedule : group_rows(rows, &ExperimentRow::schedule)) {
    if (of_schedule.key == reference) continue;
    if (std::optional<Speedup> found = speedup(cases, of_schedule.key, reference)) result.push_back(std::move(*found));
  }
  return result;
}

std::vector<CaseGroup> case_groups(std::span<const ExperimentRow> rows) {
  std::vector<CaseGroup> groups{make_group("all cases", {rows.begin(), rows.end()})};
  if (groups.front().share) groups.push_back(balanced_cases(rows));
  std::vector<RowGroup> layouts = group_rows(rows, &ExperimentRow::layout);
  if (layouts.size() < 2) return groups;
  for (RowGroup& layout : layouts) groups.push_back(make_group(layout.key, std::move(layout.rows)));
  return groups;
}

}  // namespace sextant
