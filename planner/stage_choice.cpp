#include "planner/stage_choice.h"

#include <algorithm>
#include <limits>

#include "models/layer_times.h"

namespace sextant {
namespace {

constexpr Seconds kNever{std::numeric_limits<double>::infinity()};

}  // namespace

StageChoice::StageChoice(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                         const StageOptions& options)
    : n_(network), s_(setup), memory_(options.memory), of_stages_(network, setup), weights_(stage_weights(setup)) {
  dense_before_.push_back(0);
  for (int l = 0; l < n_.layers; ++l) dense_before_.push_back(dense_before_.back() + (is_dense_layer(n_, l) ? 1 : 0));
  for (const Recompute recompute : options.recomputes) add(recompute, cluster);
  if (times_.empty()) add(setup.recompute, cluster);
  std::ranges::stable_sort(times_, {}, &Times::of_all);
}

std::optional<Seconds> StageChoice::added_at_least() {
  const Times& fastest = times_.front();
  const bool one_for_all = s_.pipeline == PipelineSchedule::kDualPipe;
  for (const Times& times : times_) {
    if (keep_if_it_fits(times)) return Seconds(0.0);
    if (!one_for_all) break;
  }
  if (one_for_all) return std::nullopt;
  entries_.assign(static_cast<std::size_t>(s_.degrees.pp), {});
  const StageSplitProblem smaller = problem(fastest, [this](const StageLayers& layers) { return at(layers).time; });
  const std::optional<std::vector<int>> split = least_slowest_stage(smaller);
  if (!split) return std::nullopt;
  slowest_ = slowest_stage(smaller, *split);
  return weights_.slowest * (slowest_ - fastest.of_all / s_.degrees.pp);
}

TrainingSetup StageChoice::choose() {
  if (chosen_) return *chosen_;
  const Times& fastest = times_.front();
  StageSplitProblem smaller = problem(fastest, [this](const StageLayers& layers) { return at(layers).time; });
  smaller.slowest_at_least = slowest_;
  const SplitObjective objective{.slowest = weights_.slowest, .sum = weights_.sum, .sum_at_least = fastest.of_all};
  const std::vector<int> split = least_weighted_split(smaller, objective).value();
  std::vector<Recompute> recomputes;
  for (int stage = 0, begin = 0; stage < s_.degrees.pp; ++stage) {
    const int end = begin + split[static_cast<std::size_t>(stage)];
    recomputes.push_back(times_[at({stage, begin, end}).choice].recompute);
    begin = end;
  }
  return chosen(split, recomputes);
}

void StageChoice::add(Recompute recompute, const Cluster& cluster) {
  const FrameworkAssumptions framework;
  TrainingSetup setup = s_;
  set_stage_recompute(setup, {recompute});
  const LayerTimes times = as_scheduled(layer_times(n_, setup, cluster, framework), setup, framework);
  times_.push_back({recompute, times.dense.total(), times.moe.total(), times.head.total(), {}});
  times_.back().of_all = time(times_.back(), {s_.degrees.pp - 1, 0, n_.layers});
}

int StageChoice::num_dense(const StageLayers& layers) const {
  return dense_before_[static_cast<std::size_t>(layers.end)] - dense_before_[static_cast<std::size_t>(layers.begin)];
}

Seconds StageChoice::time(const Times& times, const StageLayers& layers) const {
  const int dense = num_dense(layers);
  const int moe = layers.end - layers.begin - dense;
  const double heads = layers.stage == s_.degrees.pp - 1 ? 1.0 : 0.0;
  return static_cast<double>(dense) * times.dense + static_cast<double>(moe) * times.moe + heads * times.head;
}

template <typename Time>
StageSplitProblem StageChoice::problem(const Times& fastest, Time time) const {
  return {.layers = n_.layers,
          .stages = s_.degrees.pp,
          .time =
              [time](int stage, int begin, int end) {
                return time(StageLayers{stage, begin, end});
              },
          .slowest_at_least = std::max(fastest.of_all / s_.degrees.pp, fastest.head)};
}

// Whatever memory it needs.
std::vector<int> StageChoice::fastest_split(const Times& times) const {
  if (s_.degrees.pp == 1) return {n_.layers};
  return least_slowest_stage(problem(times, [&](const StageLayers& layers) { return time(times, layers); })).value();
}

bool StageChoice::keep_if_it_fits(const Times& times) {
  const std::vector<int> split = fastest_split(times);
  if (memory_ && of_stages_.largest_total(split, times.recompute) > *memory_) return false;
  chosen_ = chosen(split, std::vector<Recompute>(split.size(), times.recompute));
  return true;
}

StageChoice::Entry StageChoice::least(const StageLayers& layers) const {
  for (std::size_t i = 0; i < times_.size(); ++i) {
    if (of_stages_.total(layers, times_[i].recompute) <= *memory_) return {time(times_[i], layers), i};
  }
  return {kNever, 0};
}

// Memory and time depend on the layers through their number and that of dense ones.
const StageChoice::Entry& StageChoice::at(const StageLayers& layers) {
  std::vector<Entry>& entries = entries_[static_cast<std::size_t>(layers.stage)];
  const bool one_kind = static_cast<int>(n_.dense.layers.size()) == n_.layers;
  const auto row = static_cast<std::size_t>(n_.layers) + 1;
  if (entries.empty()) entries.resize(one_kind ? row : (n_.dense.layers.size() + 1) * row);
  const auto dense = static_cast<std::size_t>(one_kind ? 0 : num_dense(layers));
  Entry& entry = entries[dense * row + static_cast<std::size_t>(layers.end - layers.begin)];
  if (entry.time < Seconds(0.0)) entry = least(layers);
  return entry;
}

TrainingSetup StageChoice::chosen(const std::vector<int>& split, const std::vector<Recompute>& recomputes) const {
  TrainingSetup setup = s_;
  setup.stage_layers = split == even_stages(n_.layers, s_.degrees.pp) ? std::vector<int>() : split;
  set_stage_recompute(setup, recomputes);
  return setup;
}

std::optional<TrainingSetup> choose_stages(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                           const StageOptions& options) {
  StageChoice choice(network, setup, cluster, options);
  if (!choice.added_at_least()) return std::nullopt;
  return choice.choose();
}

}  // namespace sextant
