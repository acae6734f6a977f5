#include "planner/fsmoe_algorithm1.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>
#include <vector>

#include <nlopt.h>

#include "models/error.h"
#include "planner/pipeline_degree.h"

namespace sextant {
namespace {

// q(r) = rising r + constant + falling / r. Every time and predicate of the paper has this form.
struct Curve {
  double rising = 0.0;
  double constant = 0.0;
  double falling = 0.0;

  double at(double r) const { return rising * r + constant + falling / r; }
  double slope(double r) const { return rising - falling / (r * r); }
};

Curve operator+(const Curve& a, const Curve& b) {
  return {a.rising + b.rising, a.constant + b.constant, a.falling + b.falling};
}
Curve operator*(double factor, const Curve& a) {
  return {factor * a.rising, factor * a.constant, factor * a.falling};
}
Curve operator-(const Curve& a, const Curve& b) {
  return a + -1.0 * b;
}
Curve operator-(const Curve& a) {
  return -1.0 * a;
}

// The paper's formulas for one block. Times are divided by the time of the unpipelined block, so that
// the solver's tolerances mean the same for every block.
struct Formulas {
  // One chunk (a) and all of them (ra), and so on.
  Curve a, g, s, e, ra, rg, rs, re, G;
  // Q1 ... Q7 hold where positive. Q7 is Q5.
  Curve q1, q2, q3, q4, q5, q6, q7;
  double unit_s;

  Formulas(const BlockLines& lines, Seconds gradient) {
    const ChunkTimes whole = lines.at(1.0);
    unit_s = (2.0 * whole.all_to_all + whole.gather + whole.expert + whole.scatter + gradient).value();
    SEXTANT_CHECK(unit_s > 0.0, "a block of no length");
    const auto one = [this](const ChunkLine& line) {
      return Curve{0.0, line.alpha.value() / unit_s, line.whole.value() / unit_s};
    };
    const auto all = [](const Curve& chunk) { return Curve{chunk.constant, chunk.falling, 0.0}; };
    a = one(lines.all_to_all), g = one(lines.gather), s = one(lines.scatter), e = one(lines.expert);
    ra = all(a), rg = all(g), rs = all(s), re = all(e);
    G = {0.0, gradient.value() / unit_s, 0.0};
    q1 = ra - rg;
    q2 = re - 2.0 * (ra - a);
    q3 = re - (rg + rs - g - s);
    q4 = G - g - s;
    q5 = G - re + 2.0 * (ra - a) - g - s;
    q6 = G - rg - rs + 2.0 * (ra - a);
    q7 = q5;
  }

  Curve time(BlockCase block_case) const {
    switch (block_case) {
      case BlockCase::kNetworkBound:
        return 2.0 * ra + G;
      case BlockCase::kComputeBound:
        return 2.0 * a + g + s + re;
      case BlockCase::kAllToAllBound:
        return 2.0 * ra + g + s;
      case BlockCase::kLocalLinkBound:
        return 2.0 * a + rg + rs;
    }
    return {};
  }
};

// Part of a case: a conjunction of predicates, each a curve that must not be negative.
struct Region {
  BlockCase block_case;
  std::vector<Curve> nonnegative;
  double start;  // of the solver, as in the authors' code
};

// Table of section 4.2: a case with "or" in its condition has several regions.
std::vector<Region> regions(const Formulas& f) {
  return {
      {BlockCase::kNetworkBound, {f.q1, -f.q2, f.q4}, 2.0},   {BlockCase::kNetworkBound, {f.q1, f.q2, f.q5}, 2.0},
      {BlockCase::kNetworkBound, {-f.q1, -f.q3, f.q6}, 2.0},  {BlockCase::kNetworkBound, {-f.q1, f.q3, f.q7}, 2.0},
      {BlockCase::kComputeBound, {f.q1, f.q2, -f.q5}, 4.0},   {BlockCase::kComputeBound, {-f.q1, f.q3, -f.q7}, 2.0},
      {BlockCase::kAllToAllBound, {f.q1, -f.q2, -f.q4}, 1.0}, {BlockCase::kLocalLinkBound, {-f.q1, -f.q3, -f.q6}, 1.0},
  };
}

// NLopt calls back with these: value and gradient of a curve to minimise, or of -curve <= 0.
double minimised(unsigned, const double* r, double* gradient, void* curve) {
  const auto& q = *static_cast<const Curve*>(curve);
  if (gradient != nullptr) gradient[0] = q.slope(r[0]);
  return q.at(r[0]);
}
double at_most_zero(unsigned, const double* r, double* gradient, void* curve) {
  const auto& q = *static_cast<const Curve*>(curve);
  if (gradient != nullptr) gradient[0] = -q.slope(r[0]);
  return -q.at(r[0]);
}

constexpr double kFeasible = 1e-7;    // of the unpipelined block's time
constexpr double kPrecision = 1e-10;  // relative, of the degree
constexpr int kMaxEvaluations = 200;

// The least of the case's time over the region, or nothing if the solver ends outside it.
std::optional<double> minimise(Region& region, Curve time, int max_degree) {
  const std::unique_ptr<nlopt_opt_s, void (*)(nlopt_opt)> solver(nlopt_create(NLOPT_LD_SLSQP, 1), nlopt_destroy);
  SEXTANT_CHECK(solver != nullptr, "NLopt has no SLSQP");
  nlopt_set_lower_bounds1(solver.get(), 1.0);
  nlopt_set_upper_bounds1(solver.get(), max_degree);
  nlopt_set_min_objective(solver.get(), minimised, &time);
  for (Curve& curve : region.nonnegative) {
    nlopt_add_inequality_constraint(solver.get(), at_most_zero, &curve, kFeasible / 10.0);
  }
  nlopt_set_xtol_rel(solver.get(), kPrecision);
  nlopt_set_maxeval(solver.get(), kMaxEvaluations);
  double degree = std::min(region.start, static_cast<double>(max_degree));
  double value = 0.0;
  // The status says why it stopped; what counts is whether the point it stopped at satisfies the region.
  static_cast<void>(nlopt_optimize(solver.get(), &degree, &value));
  if (!(degree >= 1.0 && degree <= max_degree)) return std::nullopt;
  for (const Curve& curve : region.nonnegative) {
    if (curve.at(degree) < -kFeasible) return std::nullopt;
  }
  return degree;
}

BlockCase case_at(const Formulas& f, double r) {
  const auto holds = [r](const Curve& q) { return q.at(r) > 0.0; };
  if (holds(f.q1)) {
    if (holds(f.q2)) return holds(f.q5) ? BlockCase::kNetworkBound : BlockCase::kComputeBound;
    return holds(f.q4) ? BlockCase::kNetworkBound : BlockCase::kAllToAllBound;
  }
  if (holds(f.q3)) return holds(f.q7) ? BlockCase::kNetworkBound : BlockCase::kComputeBound;
  return holds(f.q6) ? BlockCase::kNetworkBound : BlockCase::kLocalLinkBound;
}

}  // namespace

ChunkTimes BlockLines::at(double degree) const {
  return {all_to_all.at(degree), gather.at(degree), expert.at(degree), scatter.at(degree)};
}

BlockLines block_lines(const std::function<ChunkTimes(int degree)>& chunk_times_at, int max_degree) {
  SEXTANT_CHECK(max_degree >= 2, "a line needs two degrees, max_degree is {}", max_degree);
  const ChunkTimes one = chunk_times_at(1), last = chunk_times_at(max_degree);
  const auto line = [&](Seconds ChunkTimes::*task) {
    const Seconds whole = (one.*task - last.*task) / (1.0 - 1.0 / max_degree);
    return ChunkLine{std::max(one.*task - whole, Seconds(0.0)), std::min(whole, one.*task)};
  };
  return {line(&ChunkTimes::all_to_all), line(&ChunkTimes::gather), line(&ChunkTimes::expert),
          line(&ChunkTimes::scatter)};
}

BlockCase paper_case(const BlockLines& lines, double degree, Seconds gradient) {
  return case_at(Formulas(lines, gradient), degree);
}

Seconds paper_time(const BlockLines& lines, double degree, Seconds gradient) {
  const Formulas formulas(lines, gradient);
  return Seconds(formulas.time(case_at(formulas, degree)).at(degree) * formulas.unit_s);
}

RealDegree find_optimal_pipeline_degree(const BlockLines& lines, Seconds gradient, int max_degree) {
  SEXTANT_CHECK(max_degree >= 1, "max_degree {}", max_degree);
  const Formulas formulas(lines, gradient);
  RealDegree best{1.0, paper_time(lines, 1.0, gradient), case_at(formulas, 1.0)};
  for (Region& region : regions(formulas)) {
    const Curve time = formulas.time(region.block_case);
    const std::optional<double> degree = minimise(region, time, max_degree);
    if (!degree) continue;
    const Seconds least(time.at(*degree) * formulas.unit_s);
    if (least < best.time) best = {*degree, least, region.block_case};
  }
  return best;
}

int rounded_degree(const BlockLines& lines, Seconds gradient, const RealDegree& real, int max_degree) {
  const int below = std::clamp(static_cast<int>(std::floor(real.degree)), 1, max_degree);
  const int above = std::clamp(static_cast<int>(std::ceil(real.degree)), 1, max_degree);
  return paper_time(lines, above, gradient) < paper_time(lines, below, gradient) ? above : below;
}

DegreeComparison compare_degrees(const std::function<ChunkTimes(int degree)>& chunk_times_at, int max_degree,
                                 const BlockOptions& options) {
  const DegreeChoice exact = choose_degree(chunk_times_at, max_degree, options, BlockQueues::kThree);
  if (max_degree == 1) return {1.0, 1, exact.time, 1, exact.time, 0.0};
  const BlockLines lines = block_lines(chunk_times_at, max_degree);
  const RealDegree real = find_optimal_pipeline_degree(lines, options.gradient, max_degree);
  const int rounded = rounded_degree(lines, options.gradient, real, max_degree);
  const Seconds time = exact.times[static_cast<std::size_t>(rounded - 1)];
  return {real.degree, rounded, time, exact.degree, exact.time, time / exact.time - 1.0};
}

std::optional<DegreeComparison> compare_degrees(const StepShape& step, const CostModel& costs, Policy policy, Pass pass,
                                                int max_degree) {
  if (block_queues(step, policy) != BlockQueues::kThree) return std::nullopt;
  const auto limit = static_cast<int>(std::min<std::int64_t>(max_degree, step.capacity()));
  const BlockOptions options{.gradient = {}, .gradient_ready = {}, .launch_latency = costs.launch_latency()};
  return compare_degrees([&](int degree) { return chunk_times(step, costs, pass, degree); }, limit, options);
}

std::string to_text(const DegreeComparison& c) {
  return fmt::format("SLSQP r = {:.2f} -> {} ({}), exact r = {} ({}), gap {:.2f} %", c.slsqp_degree, c.slsqp_rounded,
                     to_text(c.slsqp_time), c.exact_degree, to_text(c.exact_time), 100.0 * c.gap);
}

}  // namespace sextant
