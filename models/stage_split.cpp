#include "models/stage_split.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "models/error.h"

namespace sextant {
namespace {

constexpr double kAnyTime = 1e300;  // but not never
constexpr double kNever = std::numeric_limits<double>::infinity();

// Sums of the same layers in another order differ by roundings.
bool within(double time, double bound) {
  return time <= bound * (1.0 + 1e-12);
}

class StageSplit {
 public:
  explicit StageSplit(const StageSplitProblem& problem) : p_(problem) {
    SEXTANT_CHECK(p_.stages >= 1 && p_.stages <= p_.layers, "{} stages of {} layers", p_.stages, p_.layers);
  }

  std::optional<std::vector<int>> run() {
    double bound = p_.slowest_at_least.value();
    if (reaches_the_first_layer(bound)) return balanced(bound);
    if (!reaches_the_first_layer(kAnyTime)) return std::nullopt;
    while (!reaches_the_first_layer(bound)) {
      if (!is_sure_) return std::nullopt;
      bound = next_bound_;
    }
    return balanced(bound);
  }

  // Whether what run() said is the answer. To take as many layers as may be can leave a stage before only a layer that
  // it has no room for, while another split would have left it another.
  [[nodiscard]] bool is_sure() const { return is_sure_; }

 private:
  double time(int stage, int begin, int end) const { return p_.time(stage, begin, end).value(); }

  // earliest_[i]: the first layer from which stages i, i + 1, ... can hold everything to the end.
  bool reaches_the_first_layer(double bound) {
    next_bound_ = kNever;
    is_sure_ = true;
    earliest_.assign(static_cast<std::size_t>(p_.stages) + 1, p_.layers);
    for (int stage = p_.stages - 1; stage >= 0; --stage) {
      const int end = earliest_[static_cast<std::size_t>(stage) + 1];
      int begin = end;
      while (begin > stage) {  // a layer for each stage before
        const double longer = time(stage, begin - 1, end);
        if (!within(longer, bound)) {
          next_bound_ = std::min(next_bound_, longer);
          break;
        }
        --begin;
      }
      if (begin == end) {  // not even one layer
        is_sure_ = false;
        return false;
      }
      earliest_[static_cast<std::size_t>(stage)] = begin;
    }
    return earliest_.front() == 0;
  }

  // REQUIRES: reaches_the_first_layer(bound).
  std::vector<int> balanced(double bound) {
    std::vector<int> split;
    int begin = 0;
    for (int stage = 0; stage < p_.stages; ++stage) {
      const int stages_left = p_.stages - stage;
      const int mean = (p_.layers - begin + stages_left - 1) / stages_left;
      // At least a layer, and all that the later stages cannot hold; at least one layer for each of those.
      const int least = std::max(begin + 1, earliest_[static_cast<std::size_t>(stage) + 1]);
      int end = std::max(least, std::min(begin + mean, p_.layers - stages_left + 1));
      while (end > least && !within(time(stage, begin, end), bound)) --end;
      if (!within(time(stage, begin, end), bound)) is_sure_ = false;
      split.push_back(end - begin);
      begin = end;
    }
    return split;
  }

  const StageSplitProblem& p_;
  std::vector<int> earliest_;  // [stages + 1]
  double next_bound_ = kNever;
  bool is_sure_ = true;
};

// The least sum of the stages among the splits of which no stage is slower than a bound.
class LeastSum {
 public:
  explicit LeastSum(const StageSplitProblem& problem) : p_(problem) {}

  struct Found {
    double sum = kNever;  // of the stages
    double slowest = 0.0;
    std::vector<int> split;
  };

  Found run(double bound) {
    next_bound_ = kNever;
    reach(bound);
    best_.assign(static_cast<std::size_t>(p_.stages) + 1, std::vector<Rest>(static_cast<std::size_t>(p_.layers) + 1));
    best_.back().back().sum = 0.0;
    first_that_ends_ = p_.layers;
    for (int stage = p_.stages - 1; stage >= 0; --stage) choose_ends(stage, bound);
    return found();
  }

  // The least time above the bound that a stage came to.
  [[nodiscard]] double next_bound() const { return next_bound_; }

 private:
  // What the stages from one on, with the layers from one on, take at least.
  struct Rest {
    double sum = kNever;
    double squares = 0.0;  // of the stages' layers
    int end = 0;           // of the first of these stages
  };

  Rest& best(int stage, int begin) { return best_[static_cast<std::size_t>(stage)][static_cast<std::size_t>(begin)]; }

  // reach_[i]: the last layer that stage i can begin with.
  void reach(double bound) {
    reach_.assign(static_cast<std::size_t>(p_.stages), 0);
    for (int stage = 0; stage + 1 < p_.stages; ++stage) {
      const int begin = reach_[static_cast<std::size_t>(stage)];
      const int last = p_.layers - (p_.stages - stage - 1);
      int end = begin + 1;
      while (end < last && within(p_.time(stage, begin, end + 1).value(), bound)) ++end;
      reach_[static_cast<std::size_t>(stage) + 1] = std::min(end, last);
    }
  }

  // The end of a stage never falls with its begin: what fits does so with fewer layers.
  void choose_ends(int stage, double bound) {
    const int last = p_.layers - (p_.stages - stage - 1);
    const int last_begin = std::min(reach_[static_cast<std::size_t>(stage)], last - 1);
    int first = p_.layers;  // that this stage can begin with so that the later ones come to the end
    int end = 0;            // the first too many
    for (int begin = stage == 0 ? 0 : stage; begin <= last_begin; ++begin) {
      end = std::max(end, begin + 1);
      while (end <= last && within(p_.time(stage, begin, end).value(), bound)) ++end;
      if (end <= last) next_bound_ = std::min(next_bound_, p_.time(stage, begin, end).value());
      choose_end(stage, begin, end);
      if (best(stage, begin).sum < kNever) first = std::min(first, begin);
    }
    first_that_ends_ = first;
  }

  void choose_end(int stage, int begin, int too_many) {
    Rest& rest = best(stage, begin);
    for (int end = std::max(begin + 1, first_that_ends_); end < too_many; ++end) {
      const Rest& after = best(stage + 1, end);
      if (after.sum == kNever) continue;
      const double layers = end - begin;
      const Rest with{p_.time(stage, begin, end).value() + after.sum, layers * layers + after.squares, end};
      const bool less = !within(rest.sum, with.sum);
      const bool as_good = !less && within(with.sum, rest.sum);
      if (less || (as_good && with.squares <= rest.squares)) rest = with;
    }
  }

  Found found() {
    Found found{.sum = best(0, 0).sum};
    if (found.sum == kNever) return found;
    for (int stage = 0, begin = 0; stage < p_.stages; ++stage) {
      const int end = best(stage, begin).end;
      found.split.push_back(end - begin);
      found.slowest = std::max(found.slowest, p_.time(stage, begin, end).value());
      begin = end;
    }
    return found;
  }

  const StageSplitProblem& p_;
  std::vector<std::vector<Rest>> best_;  // [stages + 1][layers + 1]
  std::vector<int> reach_;               // [stages]
  int first_that_ends_ = 0;              // of the stage after: the first layer from which there is a way to the end
  double next_bound_ = kNever;
};

double sum_of(const StageSplitProblem& problem, const std::vector<int>& split) {
  double sum = 0.0;
  for (int stage = 0, begin = 0; stage < problem.stages; ++stage) {
    const int end = begin + split[static_cast<std::size_t>(stage)];
    sum += problem.time(stage, begin, end).value();
    begin = end;
  }
  return sum;
}

}  // namespace

std::optional<std::vector<int>> least_slowest_stage(const StageSplitProblem& problem) {
  StageSplit greedy(problem);
  std::optional<std::vector<int>> split = greedy.run();
  if (greedy.is_sure()) return split;
  LeastSum every(problem);
  if (every.run(kAnyTime).sum == kNever) return std::nullopt;
  for (double bound = problem.slowest_at_least.value(); bound < kNever; bound = every.next_bound()) {
    LeastSum::Found found = every.run(bound);
    if (found.sum < kNever) return std::move(found.split);
  }
  SEXTANT_CHECK(false, "no split of {} layers below a bound that one is below", problem.layers);
}

Seconds slowest_stage(const StageSplitProblem& problem, const std::vector<int>& split) {
  Seconds slowest;
  for (int stage = 0, begin = 0; stage < problem.stages; ++stage) {
    const int end = begin + split[static_cast<std::size_t>(stage)];
    slowest = std::max(slowest, problem.time(stage, begin, end));
    begin = end;
  }
  return slowest;
}

std::optional<std::vector<int>> least_weighted_split(const StageSplitProblem& problem,
                                                     const SplitObjective& objective) {
  std::optional<std::vector<int>> split = least_slowest_stage(problem);
  if (!split || within(sum_of(problem, *split), objective.sum_at_least.value())) return split;
  const auto cost = [&](double slowest, double sum) { return objective.slowest * slowest + objective.sum * sum; };
  LeastSum least_sum(problem);
  double least = objective.sum_at_least.value();  // sum of any split that may still be better
  double best = kNever;
  for (double bound = slowest_stage(problem, *split).value(); bound < kNever && !within(best, cost(bound, least));) {
    LeastSum::Found found = least_sum.run(bound);
    bound = least_sum.next_bound();
    if (const double of_found = cost(found.slowest, found.sum); !within(best, of_found)) {
      best = of_found;
      split = std::move(found.split);
    }
    // No better split has a slower slowest stage than this.
    const double slowest = objective.slowest > 0.0 ? (best - objective.sum * least) / objective.slowest : kNever;
    if (bound < slowest) least = std::max(least, least_sum.run(slowest).sum);
  }
  return split;
}

}  // namespace sextant
