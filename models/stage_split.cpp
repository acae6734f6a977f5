#include "models/stage_split.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "models/error.h"
#include "models/least_sum_split.h"

namespace sextant {
namespace {

constexpr Seconds kAnyTime{1e300};  // but not never
constexpr Seconds kNever{std::numeric_limits<double>::infinity()};

// What a bound on the slowest stage led to.
struct Attempt {
  std::optional<StageSplit> split;
  Seconds next = kNever;  // where there is none: no lower bound than this leads to one
};

// The least slowest stage, from `low` to `high`; `attempt` tries a bound.
template <typename Try>
LeastSlowest least_bound(Seconds low, Seconds high, Try attempt) {
  const auto answer = [](StageSplit split) {
    const Seconds slowest = split.slowest;
    return LeastSlowest{std::move(split), slowest};
  };
  Attempt at_low = attempt(low);
  if (at_low.split) return answer(std::move(*at_low.split));
  Attempt at_high = attempt(std::min(high, kAnyTime));
  if (!at_high.split) return {std::nullopt, at_high.next};
  StageSplit best = std::move(*at_high.split);
  while (true) {
    low = at_low.next;
    if (within(best.slowest, low)) return answer(std::move(best));
    at_low = attempt(low);
    if (at_low.split) return answer(std::move(*at_low.split));
    if (within(best.slowest, at_low.next)) return answer(std::move(best));
    Attempt between = attempt(0.5 * (at_low.next + best.slowest));
    if (between.split) {
      best = std::move(*between.split);
    } else {
      at_low.next = between.next;
    }
  }
}

// Where every stage from the last takes as many layers as it may.
class GreedySplit {
 public:
  explicit GreedySplit(const StageSplitProblem& problem) : p_(problem), layers_(problem.layers()) {}

  Attempt run(Seconds bound) {
    bound_ = bound;
    next_ = kNever;
    if (is_sure_ && reaches_the_first_layer()) return {balanced(), next_};
    return {std::nullopt, next_};
  }

  // Whether what the runs said is the answer. To take as many layers as may be can leave a stage before only a layer
  // that it has no room for, while another split would have left it another.
  [[nodiscard]] bool is_sure() const { return is_sure_; }

 private:
  bool takes(const StageLayers& layers) const {
    for (std::size_t way = 0; way < p_.ways.size() && within(p_.time(way, layers), bound_); ++way) {
      if (!p_.fits || p_.fits(way, layers)) return true;
    }
    return false;
  }

  Seconds time(const StageLayers& layers) const {
    const std::optional<std::size_t> way = p_.fastest_way(layers);
    return way ? p_.time(*way, layers) : kNever;
  }

  // earliest_[i]: the first layer from which stages i, i + 1, ... can hold everything to the end.
  bool reaches_the_first_layer() {
    earliest_.assign(static_cast<std::size_t>(p_.stages) + 1, layers_);
    for (int stage = p_.stages - 1; stage >= 0; --stage) {
      const int end = earliest_[static_cast<std::size_t>(stage) + 1];
      const int begin = earliest_begin(stage, end);
      if (begin == end) {
        no_layer_for(stage);
        return false;
      }
      if (begin > stage) next_ = std::min(next_, time({stage, begin - 1, end}));
      earliest_[static_cast<std::size_t>(stage)] = begin;
    }
    return earliest_.front() == 0;
  }

  // With a layer for each stage before; `end` where there is no room for the layer before it.
  int earliest_begin(int stage, int end) const {
    int begin = end;
    for (int step = 1; step > 0;) {
      if (begin - step >= stage && takes({stage, begin - step, end})) {
        begin -= step;
        step *= 2;
      } else {
        step /= 2;
      }
    }
    return begin;
  }

  // Not for the one before those that the later stages took: no split has this bound if it is so with every layer.
  void no_layer_for(int stage) {
    next_ = kNever;
    for (int layer = stage + 1 == p_.stages ? layers_ - 1 : 0; layer < layers_; ++layer) {
      next_ = std::min(next_, time({stage, layer, layer + 1}));
    }
    if (within(next_, bound_)) is_sure_ = false;
  }

  // REQUIRES: reaches_the_first_layer().
  std::optional<StageSplit> balanced() {
    StageSplit split;
    for (int stage = 0, begin = 0; stage < p_.stages; ++stage) {
      const int end = balanced_end(stage, begin);
      if (!takes({stage, begin, end})) {
        is_sure_ = false;
        return std::nullopt;
      }
      split.add(p_, {stage, begin, end}, p_.fastest_way({stage, begin, end}).value());
      begin = end;
    }
    return split;
  }

  // At least a layer, and all that the later stages cannot hold; at least one layer for each of those.
  int balanced_end(int stage, int begin) const {
    const int stages_left = p_.stages - stage;
    const int mean = (layers_ - begin + stages_left - 1) / stages_left;
    int least = std::max(begin + 1, earliest_[static_cast<std::size_t>(stage) + 1]);
    int most = std::max(least, std::min(begin + mean, layers_ - stages_left + 1));
    while (least < most) {
      const int end = (least + most + 1) / 2;
      if (takes({stage, begin, end})) {
        least = end;
      } else {
        most = end - 1;
      }
    }
    return least;
  }

  const StageSplitProblem& p_;
  int layers_;
  Seconds bound_;
  std::vector<int> earliest_;  // [stages + 1]
  Seconds next_ = kNever;
  bool is_sure_ = true;
};

// What no slowest stage is below: the mean, the layer that takes longest, the last layer with the head.
Seconds slowest_at_least(const StageSplitProblem& problem) {
  const std::vector<Seconds>& before = problem.ways.front().before;
  const Seconds head = problem.ways.front().head;
  Seconds least = std::max(problem.slowest_at_least, (before.back() + head) / problem.stages);
  for (std::size_t l = 1; l < before.size(); ++l) least = std::max(least, before[l] - before[l - 1]);
  return std::max(least, before.back() - before[before.size() - 2] + head);
}

// The best split between bounds whose least sums are known.
class WeightedSplit {
 public:
  WeightedSplit(const StageSplitProblem& problem, const SplitObjective& objective)
      : objective_(objective), least_sum_(problem), best_(objective.at_most) {}

  // `least_sum`: of all splits, whether they fit or not.
  std::optional<StageSplit> run(Seconds least_slowest, Seconds least_sum) {
    if (!is_better(objective_.of(least_slowest, least_sum))) return std::nullopt;
    const Found first = least_sum_.run(least_slowest);
    consider(first);
    // Slower slowest stages than this cost more than the best so far with whatever sum.
    const Found any = least_sum_.run(std::min(kAnyTime, objective_.slowest_at_most(best_, least_sum)));
    consider(any);
    between(first, any);
    if (!best_bound_) return std::nullopt;
    least_sum_.run(*best_bound_);
    return least_sum_.split();
  }

 private:
  using Found = LeastSumSplit::Found;

  bool is_better(Seconds cost) const { return !found_any() ? within(cost, best_) : !within(best_, cost); }
  bool found_any() const { return best_bound_.has_value(); }

  void consider(const Found& found) {
    const Seconds cost = objective_.of(found.slowest, found.sum);
    if (!is_better(cost)) return;
    best_ = cost;
    best_bound_ = found.slowest;
  }

  // Splits whose slowest stage is above `low`'s bound and below that of `high`: none has a lesser sum than `high`.
  void between(const Found& low, const Found& high) {
    if (within(high.slowest, low.next) || !is_better(objective_.of(low.next, high.sum))) return;
    Seconds most = high.slowest;
    if (objective_.slowest > 0.0) {
      most = std::min(most, (best_ - objective_.sum * high.sum) / objective_.slowest);
    }
    const Found middle = least_sum_.run(0.5 * (low.next + std::max(low.next, most)));
    consider(middle);
    if (!within(low.sum, middle.sum)) between(low, middle);
    if (!within(middle.sum, high.sum)) between(middle, high);
  }

  const SplitObjective& objective_;
  LeastSumSplit least_sum_;
  Seconds best_;  // cost
  std::optional<Seconds> best_bound_;
};

}  // namespace

bool within(Seconds time, Seconds bound) {
  return time <= bound * (1.0 + 1e-12);
}

Seconds StageSplitProblem::time(std::size_t way, const StageLayers& stage) const {
  const StageWay& w = ways[way];
  const Seconds of_layers =
      w.before[static_cast<std::size_t>(stage.end)] - w.before[static_cast<std::size_t>(stage.begin)];
  return stage.stage + 1 == stages ? of_layers + w.head : of_layers;
}

std::optional<std::size_t> StageSplitProblem::fastest_way(const StageLayers& stage) const {
  for (std::size_t way = 0; way < ways.size(); ++way) {
    if (!fits || fits(way, stage)) return way;
  }
  return std::nullopt;
}

void StageSplit::add(const StageSplitProblem& problem, const StageLayers& stage, std::size_t way) {
  const Seconds time = problem.time(way, stage);
  layers.push_back(stage.end - stage.begin);
  ways.push_back(way);
  slowest = std::max(slowest, time);
  sum += time;
}

Seconds SplitObjective::slowest_at_most(Seconds cost, Seconds sum_of_stages) const {
  constexpr double kRounding = 1.0 + 1e-9;  // more than a difference loses
  if (slowest == 0.0) return kNever;
  return kRounding * (cost - sum * sum_of_stages) / slowest;
}

LeastSlowest least_slowest_stage(const StageSplitProblem& problem, Seconds at_most) {
  SEXTANT_CHECK(!problem.ways.empty() && problem.stages >= 1 && problem.stages <= problem.layers(),
                "{} stages of {} layers", problem.stages, problem.ways.empty() ? 0 : problem.layers());
  const Seconds low = slowest_at_least(problem);
  if (!within(low, at_most)) return {std::nullopt, low};
  GreedySplit greedy(problem);
  LeastSlowest result = least_bound(low, at_most, [&](Seconds bound) { return greedy.run(bound); });
  if (greedy.is_sure()) return result;
  LeastSumSplit every(problem);
  return least_bound(low, at_most, [&](Seconds bound) -> Attempt {
    const LeastSumSplit::Found found = every.run(bound);
    if (found.sum == kNever) return {std::nullopt, found.next};
    return {every.split(), found.next};
  });
}

std::optional<StageSplit> least_weighted_split(const StageSplitProblem& problem, const SplitObjective& objective) {
  const StageWay& fastest = problem.ways.front();
  const Seconds least_sum = fastest.before.back() + fastest.head;
  std::optional<StageSplit> split =
      least_slowest_stage(problem, objective.slowest_at_most(objective.at_most, least_sum)).split;
  if (!split) return std::nullopt;
  if (objective.sum == 0.0 || within(split->sum, least_sum)) {
    return within(objective.of(split->slowest, split->sum), objective.at_most) ? split : std::nullopt;
  }
  return WeightedSplit(problem, objective).run(split->slowest, least_sum);
}

}  // namespace sextant
