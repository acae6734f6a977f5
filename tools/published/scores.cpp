#include "tools/published/scores.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <utility>
#include <variant>

#include "models/statistics.h"

namespace sextant {
namespace {

Comparison comparison(const ScoredRun& scored) {
  return {.predicted = scored.estimate.total().value(), .measured = scored.run.step_time.value()};
}

template <typename Range, typename Value>
double mean_of(const Range& range, Value value) {
  double sum = 0.0;
  for (const auto& one : range) sum += value(one);
  return range.empty() ? 0.0 : sum / static_cast<double>(range.size());
}

// Groups by what `name_of` says of a row.
template <typename NameOf>
OrderScore score_order(const std::vector<ScoredRun>& runs, NameOf name_of) {
  std::map<std::string, std::vector<Comparison>> groups;
  for (const ScoredRun& scored : runs) groups[name_of(scored.run)].push_back(comparison(scored));
  OrderScore order;
  for (const auto& [name, comparisons] : groups) {
    const std::optional<double> tau = kendall_tau(comparisons);
    if (!tau) continue;  // one layout, or the same layout again
    order.groups.push_back({name, static_cast<int>(comparisons.size()), *tau, top1_regret(comparisons)});
  }
  order.kendall_tau = mean_of(order.groups, [](const GroupScore& group) { return group.kendall_tau; });
  order.top1_regret = mean_of(order.groups, [](const GroupScore& group) { return group.top1_regret; });
  return order;
}

// By what `name_of` says of a row.
template <typename NameOf>
std::vector<PartScore> score_parts(const std::vector<ScoredRun>& runs, NameOf name_of) {
  std::vector<PartScore> scores;
  for (const ScoredRun& scored : runs) {
    const std::string name = name_of(scored.run);
    auto part = std::ranges::find(scores, name, &PartScore::name);
    if (part == scores.end()) part = scores.insert(part, {name});
    ++part->rows;
    part->mean_error += scored.error();
    part->mean_abs_error += std::abs(scored.error());
  }
  for (PartScore& part : scores) {
    part.mean_error /= part.rows;
    part.mean_abs_error /= part.rows;
  }
  return scores;
}

void score_memory(const PublishedRun& run, Scores& scores) {
  MemoryScore scored{run, setup_memory(*run.network, run.setup, run.memory)};
  TrainingSetup frugal = run.setup;
  if (!run.states_recompute) frugal.recompute = Recompute::kFull;
  const Bytes least = std::min(scored.memory.total(), setup_memory(*run.network, frugal, run.memory).total());
  scored.fits = least <= run.cluster.device.memory;
  if (run.peak_memory) scores.peaks.push_back(scored);
  if (!run.out_of_memory && !scored.fits) scores.wrongly_refused.push_back(scored);
  if (run.out_of_memory && scored.fits) scores.wrongly_taken.push_back(scored);
}

}  // namespace

Scores score(const CsvTable& table, const Catalogue& catalogue) {
  Scores scores;
  for (const CsvRow& row : table.rows) {
    auto read = read_run(row, catalogue);
    if (auto* skipped = std::get_if<SkippedRun>(&read)) {
      scores.skipped.push_back(std::move(*skipped));
      continue;
    }
    auto& run = std::get<PublishedRun>(read);
    score_memory(run, scores);
    if (run.out_of_memory) {
      scores.skipped.push_back({run.line, run.source, "ran out of memory: no speed to compare"});
      continue;
    }
    const StepEstimate estimate = estimate_step(*run.network, run.setup, run.cluster);
    scores.runs.push_back({std::move(run), estimate});
  }
  scores.order = score_order(scores.runs, [](const PublishedRun& run) { return run.group; });
  scores.order_within_source =
      score_order(scores.runs, [](const PublishedRun& run) { return run.group + " | " + run.source; });
  scores.sources = score_parts(scores.runs, [](const PublishedRun& run) { return run.source; });
  scores.devices = score_parts(scores.runs, [](const PublishedRun& run) {
    const bool is_fp8 = run.setup.precision == Precision::kFp8;
    return run.cluster.machine + (is_fp8 ? ", 8-bit products" : ", 16-bit products");
  });
  scores.mean_abs_error = mean_of(scores.runs, [](const ScoredRun& run) { return std::abs(run.error()); });
  return scores;
}

}  // namespace sextant
