#include "models/stage_split.h"

#include <algorithm>
#include <limits>

#include "models/error.h"

namespace sextant {
namespace {

constexpr double kNever = std::numeric_limits<double>::infinity();

class StageSplit {
 public:
  explicit StageSplit(const StageSplitProblem& problem)
      : p_(problem), num_layers_(static_cast<int>(problem.layer_times_L.size())) {
    SEXTANT_CHECK(p_.stages >= 1 && p_.stages <= num_layers_, "{} stages of {} layers", p_.stages, num_layers_);
    before_.push_back(0.0);
    for (const Seconds time : p_.layer_times_L) before_.push_back(before_.back() + time.value());
  }

  std::optional<std::vector<int>> run() {
    double bound = std::max((before_.back() + p_.last_stage.value()) / p_.stages, p_.last_stage.value());
    while (!reaches_the_first_layer(bound)) {
      if (next_bound_ == kNever) return std::nullopt;
      bound = next_bound_;
    }
    return balanced(bound);
  }

 private:
  double time(int stage, int begin, int end) const {
    const double head = stage + 1 == p_.stages ? p_.last_stage.value() : 0.0;
    return before_[static_cast<std::size_t>(end)] - before_[static_cast<std::size_t>(begin)] + head;
  }

  bool fits(int stage, int begin, int end) const { return !p_.fits || p_.fits(stage, begin, end); }

  // Sums of the same layers in another order differ by roundings.
  static bool within(double time, double bound) { return time <= bound * (1.0 + 1e-12); }

  // earliest_[i]: the first layer from which stages i, i + 1, ... can hold everything to the end.
  bool reaches_the_first_layer(double bound) {
    next_bound_ = kNever;
    earliest_.assign(static_cast<std::size_t>(p_.stages) + 1, num_layers_);
    for (int stage = p_.stages - 1; stage >= 0; --stage) {
      const int end = earliest_[static_cast<std::size_t>(stage) + 1];
      int begin = end;
      while (begin > stage) {  // a layer for each stage before
        if (!fits(stage, begin - 1, end)) break;
        const double longer = time(stage, begin - 1, end);
        if (!within(longer, bound)) {
          next_bound_ = std::min(next_bound_, longer);
          break;
        }
        --begin;
      }
      if (begin == end) return false;  // not even one layer
      earliest_[static_cast<std::size_t>(stage)] = begin;
    }
    return earliest_.front() == 0;
  }

  // REQUIRES: reaches_the_first_layer(bound).
  std::vector<int> balanced(double bound) const {
    std::vector<int> split;
    int begin = 0;
    for (int stage = 0; stage < p_.stages; ++stage) {
      const int stages_left = p_.stages - stage;
      const int mean = (num_layers_ - begin + stages_left - 1) / stages_left;
      // At least a layer, and all that the later stages cannot hold; at least one layer for each of those.
      int end = std::max({begin + 1, earliest_[static_cast<std::size_t>(stage) + 1],
                          std::min(begin + mean, num_layers_ - stages_left + 1)});
      const int least = std::max(begin + 1, earliest_[static_cast<std::size_t>(stage) + 1]);
      while (end > least && !(within(time(stage, begin, end), bound) && fits(stage, begin, end))) --end;
      split.push_back(end - begin);
      begin = end;
    }
    return split;
  }

  const StageSplitProblem& p_;
  int num_layers_;
  std::vector<double> before_;  // [L + 1] time of the layers before the n-th
  std::vector<int> earliest_;   // [stages + 1]
  double next_bound_ = kNever;
};

}  // namespace

std::optional<std::vector<int>> least_slowest_stage(const StageSplitProblem& problem) {
  return StageSplit(problem).run();
}

}  // namespace sextant
