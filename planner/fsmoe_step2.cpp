#include "planner/fsmoe_step2.h"

#include <algorithm>
#include <limits>
#include <memory>

#include <nlopt.h>

#include "models/error.h"
#include "planner/gradient_partition.h"

namespace sextant {
namespace {

class Step2 {
 public:
  explicit Step2(const PartitionProblem& problem)
      : problem_(problem), step1_(partition_greedily(problem)), movable_(movable_by_position()) {
    for (int p = 0; p < problem.num_positions(); ++p) {
      const PerGroup<std::int64_t>& movable = movable_[static_cast<std::size_t>(p)];
      if (std::any_of(movable.begin(), movable.end(), [](std::int64_t n) { return n > 0; })) blocks_.push_back(p);
    }
  }

  Step2Result solve(const Step2Options& options) {
    best_.variables = static_cast<int>(blocks_.size());
    best_.time = Seconds(std::numeric_limits<double>::infinity());
    evaluate(std::vector<double>(blocks_.size(), 0.0));
    if (blocks_.empty()) return std::move(best_);
    evaluate(std::vector<double>(blocks_.size(), 1.0));
    nlopt_srand(options.seed);
    search(NLOPT_GN_CRS2_LM, std::vector<double>(blocks_.size(), 0.5), options.max_evaluations / 2);
    search(NLOPT_LN_SBPLX, best_shares_, options.max_evaluations / 2);
    return std::move(best_);
  }

 private:
  // Elements that exist when the block of each position runs and that Step 1 reduces in the tail: of a
  // stack that windows take from, the least height it ever has from there on.
  [[nodiscard]] std::vector<PerGroup<std::int64_t>> movable_by_position() const {
    const int windows = 2 * problem_.num_positions();
    std::vector<PerGroup<std::int64_t>> movable(static_cast<std::size_t>(problem_.num_positions()));
    for (std::size_t g = 0; g < problem_.groups.size(); ++g) {
      const ReductionGroup& group = problem_.groups[g];
      if (!group.exists) continue;
      std::int64_t reduced = 0;
      std::vector<std::int64_t> waiting;
      for (int slot = 0; slot < windows; ++slot) {
        reduced += step1_.elements[static_cast<std::size_t>(slot)][g];
        waiting.push_back(group.ready[static_cast<std::size_t>(slot)] - reduced);
      }
      std::int64_t least = std::numeric_limits<std::int64_t>::max();
      for (int slot = windows - 1; slot >= 0; --slot) {
        least = std::min(least, waiting[static_cast<std::size_t>(slot)]);
        if (slot % 2 == 0) movable[static_cast<std::size_t>(slot / 2)][g] = least;
      }
    }
    return movable;
  }

  [[nodiscard]] Partition partition_of(const std::vector<double>& shares) const {
    Partition partition = step1_;
    PerGroup<std::int64_t> moved{};
    for (std::size_t v = 0; v < blocks_.size(); ++v) {
      const auto position = static_cast<std::size_t>(blocks_[v]);
      for (std::size_t g = 0; g < moved.size(); ++g) {
        const std::int64_t left = movable_[position][g] - moved[g];
        const auto x = static_cast<std::int64_t>(std::clamp(shares[v], 0.0, 1.0) * static_cast<double>(left));
        partition.elements[2 * position][g] += x;
        partition.elements.back()[g] -= x;
        moved[g] += x;
      }
    }
    improve_degrees(problem_, partition);
    return partition;
  }

  double evaluate(const std::vector<double>& shares) {
    Partition partition = partition_of(shares);
    const Seconds time = backward_time(problem_, partition);
    ++best_.evaluations;
    if (time < best_.time) {
      best_.time = time;
      best_.partition = std::move(partition);
      best_shares_ = shares;
    }
    return time.value();
  }

  static double objective(unsigned count, const double* shares, double* /*gradient*/, void* self) {
    return static_cast<Step2*>(self)->evaluate(std::vector<double>(shares, shares + count));
  }

  void search(nlopt_algorithm algorithm, std::vector<double> shares, int max_evaluations) {
    const auto count = static_cast<unsigned>(shares.size());
    const std::unique_ptr<nlopt_opt_s, decltype(&nlopt_destroy)> solver(nlopt_create(algorithm, count), &nlopt_destroy);
    SEXTANT_CHECK(solver != nullptr, "NLopt refused {} variables", count);
    nlopt_set_lower_bounds1(solver.get(), 0.0);
    nlopt_set_upper_bounds1(solver.get(), 1.0);
    nlopt_set_min_objective(solver.get(), &Step2::objective, this);
    nlopt_set_ftol_rel(solver.get(), 1e-9);
    nlopt_set_maxeval(solver.get(), max_evaluations);
    double least = 0.0;
    const nlopt_result result = nlopt_optimize(solver.get(), shares.data(), &least);
    // Rounding may stop the search early; the best point is kept anyway.
    SEXTANT_CHECK(result > 0 || result == NLOPT_ROUNDOFF_LIMITED, "NLopt failed with {}", static_cast<int>(result));
  }

  const PartitionProblem& problem_;
  Partition step1_;
  std::vector<PerGroup<std::int64_t>> movable_;  // [position] sum of the remainders up to it
  std::vector<int> blocks_;                      // positions with something to move: the variables
  std::vector<double> best_shares_;
  Step2Result best_;
};

}  // namespace

Step2Result fsmoe_step2(const PartitionProblem& problem, const Step2Options& options) {
  return Step2(problem).solve(options);
}

}  // namespace sextant
