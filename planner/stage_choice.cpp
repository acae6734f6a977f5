#include "planner/stage_choice.h"

#include <algorithm>

#include "models/layer_times.h"

namespace sextant {
namespace {

// Least computed again, which is the fastest, first. Where attention is fused there are no probabilities to compute
// again: to do so saves no memory.
std::vector<Recompute> in_order(const TrainingSetup& setup, std::vector<Recompute> recomputes) {
  if (recomputes.empty()) recomputes = {setup.recompute};
  std::ranges::sort(recomputes);
  if (setup.fused_attention && recomputes.front() == Recompute::kNone) std::erase(recomputes, Recompute::kSelective);
  return recomputes;
}

}  // namespace

StageChoice::StageChoice(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                         const StageOptions& options)
    : n_(network),
      s_(setup),
      cluster_(cluster),
      memory_(options.memory),
      recomputes_(in_order(setup, options.recomputes)),
      weights_(stage_weights(setup)) {
  problem_.stages = s_.degrees.pp;
  if (!memory_) return;
  of_stages_.emplace(n_, s_);
  if (stage_copies(s_) == 1) room_.emplace(*of_stages_, s_, *memory_);
}

std::optional<Seconds> StageChoice::added_at_least(Seconds at_most) {
  constexpr double kRounding = 1.0 - 1e-12;
  if (memory_ && of_stages_->largest_at_least(recomputes_.back()) * kRounding > *memory_) return std::nullopt;
  const bool one_for_all = s_.pipeline == PipelineSchedule::kDualPipe;
  for (const Recompute recompute : recomputes_) {
    problem_.ways = {way(recompute)};
    if (recompute == recomputes_.front()) of_all_ = problem_.ways.front().before.back() + problem_.ways.front().head;
    const LeastSlowest least = least_slowest_stage(problem_, slowest_at_most(at_most));  // whatever memory it needs
    if (!least.split) return slower(least.at_least);
    if (fits(*least.split, recompute)) return keep(*least.split, {recompute});
    problem_.slowest_at_least = least.at_least;
    if (!one_for_all) break;
  }
  if (one_for_all) return std::nullopt;
  for (std::size_t i = 1; i < recomputes_.size(); ++i) problem_.ways.push_back(way(recomputes_[i]));
  problem_.fits = [this](std::size_t way, const StageLayers& layers) { return room_->fits(layers, recomputes_[way]); };
  const LeastSlowest least = least_slowest_stage(problem_, slowest_at_most(at_most));
  if (!least.split) return least.at_least < kAnyTime ? std::optional(slower(least.at_least)) : std::nullopt;
  problem_.slowest_at_least = least.at_least;
  return added(least.at_least);
}

std::optional<TrainingSetup> StageChoice::choose(Seconds at_most) {
  if (chosen_ || is_slower_) return chosen_;
  const std::optional<StageSplit> split = least_weighted_split(problem_, objective(at_most));
  if (!split) return std::nullopt;
  std::vector<Recompute> recomputes;
  for (const std::size_t way : split->ways) recomputes.push_back(recomputes_[way]);
  keep(*split, recomputes);
  return chosen_;
}

// Beyond stages that all were the mean, by the slowest stage alone.
Seconds StageChoice::added(Seconds slowest_stage) const {
  return weights_.slowest * (slowest_stage - of_all_ / s_.degrees.pp);
}

// Of stages that add at most `added`.
SplitObjective StageChoice::objective(Seconds added) const {
  return {.slowest = weights_.slowest,
          .sum = weights_.sum,
          .at_most = added + weights_.slowest * of_all_ / s_.degrees.pp + weights_.sum * of_all_};
}

Seconds StageChoice::slowest_at_most(Seconds added) const {
  const SplitObjective within = objective(added);
  return within.slowest_at_most(within.at_most, of_all_);
}

Seconds StageChoice::slower(Seconds slowest_stage) {
  is_slower_ = true;
  return added(slowest_stage);
}

StageWay StageChoice::way(Recompute recompute) const {
  const FrameworkAssumptions framework;
  TrainingSetup setup = s_;
  set_stage_recompute(setup, {recompute});
  const LayerTimes times = as_scheduled(layer_times(n_, setup, cluster_, framework), setup, framework);
  const Seconds dense = times.dense.total();
  const Seconds moe = times.moe.total();
  StageWay way{.before = std::vector<Seconds>(static_cast<std::size_t>(n_.layers) + 1), .head = times.head.total()};
  auto next_dense = n_.dense.layers.begin();
  int num_dense = 0;
  for (int l = 0; l < n_.layers; ++l) {
    if (next_dense != n_.dense.layers.end() && *next_dense == l) {
      ++next_dense;
      ++num_dense;
    }
    way.before[static_cast<std::size_t>(l) + 1] = num_dense * dense + (l + 1 - num_dense) * moe;
  }
  return way;
}

bool StageChoice::fits(const StageSplit& split, Recompute recompute) {
  if (!memory_) return true;
  if (!room_) return of_stages_->largest_total(split.layers, recompute) <= *memory_;
  for (int stage = 0, begin = 0; stage < s_.degrees.pp; ++stage) {
    const int end = begin + split.layers[static_cast<std::size_t>(stage)];
    if (!room_->fits({stage, begin, end}, recompute)) return false;
    begin = end;
  }
  return true;
}

Seconds StageChoice::keep(const StageSplit& split, const std::vector<Recompute>& recomputes) {
  chosen_ = s_;
  chosen_->stage_layers = split.layers;
  if (split.layers == even_stages(n_.layers, s_.degrees.pp)) chosen_->stage_layers.clear();
  set_stage_recompute(*chosen_, recomputes);
  return added(split.slowest);
}

std::optional<TrainingSetup> choose_stages(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                           const StageOptions& options) {
  StageChoice choice(network, setup, cluster, options);
  if (!choice.added_at_least()) return std::nullopt;
  return choice.choose();
}

}  // namespace sextant
