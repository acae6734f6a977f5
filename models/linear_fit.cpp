#include "models/linear_fit.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include <Eigen/Dense>

#include "models/error.h"

namespace sextant {
namespace {

using Matrix = Eigen::MatrixXd;
using Vector = Eigen::VectorXd;

// Nearest rank: the smallest value that `fraction` of the values do not exceed.
double quantile(std::vector<double> values, double fraction) {
  std::sort(values.begin(), values.end());
  const auto rank = static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(values.size())));
  return values[std::max<std::size_t>(rank, 1) - 1];
}

double r_squared(const Vector& measured, const Vector& fitted) {
  const double scatter = (measured.array() - measured.mean()).square().sum();
  const double unexplained = (measured - fitted).squaredNorm();
  if (scatter == 0.0) return unexplained == 0.0 ? 1.0 : 0.0;
  return 1.0 - unexplained / scatter;
}

FitResidual residual_of(const Vector& measured, const Vector& fitted) {
  std::vector<double> relative;
  for (Eigen::Index i = 0; i < measured.size(); ++i) {
    relative.push_back(std::abs(fitted[i] - measured[i]) / measured[i]);
  }
  return {.median = quantile(relative, 0.5),
          .p90 = quantile(relative, 0.9),
          .max = *std::max_element(relative.begin(), relative.end()),
          .r_squared = r_squared(measured, fitted)};
}

// Unconstrained least squares over the columns in `active` (a bit set); the others stay 0.
Vector solve_active(const Matrix& a, const Vector& b, unsigned active) {
  std::vector<Eigen::Index> columns;
  for (Eigen::Index j = 0; j < a.cols(); ++j) {
    if ((active >> j & 1U) != 0) columns.push_back(j);
  }
  Matrix chosen(a.rows(), static_cast<Eigen::Index>(columns.size()));
  for (std::size_t j = 0; j < columns.size(); ++j) chosen.col(static_cast<Eigen::Index>(j)) = a.col(columns[j]);
  const Vector solution = chosen.colPivHouseholderQr().solve(b);
  Vector x = Vector::Zero(a.cols());
  for (std::size_t j = 0; j < columns.size(); ++j) x[columns[j]] = solution[static_cast<Eigen::Index>(j)];
  return x;
}

// min |a x - b| with x >= 0. With three unknowns the optimum is the best among the unconstrained
// solutions of the seven column subsets that are non-negative. Subsets are visited from small to
// large and replaced only for a real gain, so that points that do not tell two terms apart (one size,
// say) get the fewest terms.
Vector solve_non_negative(const Matrix& a, const Vector& b) {
  constexpr double kRealGain = 1e-9;
  Vector best = Vector::Zero(a.cols());
  double best_error = b.squaredNorm();
  std::vector<unsigned> subsets;
  for (unsigned active = 1; active < 1U << a.cols(); ++active) subsets.push_back(active);
  std::stable_sort(subsets.begin(), subsets.end(),
                   [](unsigned x, unsigned y) { return __builtin_popcount(x) < __builtin_popcount(y); });
  for (const unsigned active : subsets) {
    const Vector x = solve_active(a, b, active);
    if (!x.allFinite() || x.minCoeff() < 0.0) continue;
    const double error = (a * x - b).squaredNorm();
    if (error < best_error - kRealGain * b.squaredNorm()) {
      best = x;
      best_error = error;
    }
  }
  return best;
}

// Columns of `design` hold one regressor each, rows one point. Dividing row and time by the time
// (weights 1/time^2) minimises the relative error; scaling the columns keeps 1e-9 s and 1e12 flops apart
// from each other in one matrix.
Vector fit_relative(const Matrix& design, const Vector& time_s) {
  Matrix scaled = design;
  for (Eigen::Index i = 0; i < scaled.rows(); ++i) scaled.row(i) /= time_s[i];
  Vector column_norm = scaled.colwise().norm().transpose();
  for (Eigen::Index j = 0; j < scaled.cols(); ++j) {
    if (column_norm[j] == 0.0) column_norm[j] = 1.0;
    scaled.col(j) /= column_norm[j];
  }
  const Vector x = solve_non_negative(scaled, Vector::Ones(scaled.rows()));
  return x.cwiseQuotient(column_norm);
}

void require_time(Seconds time) {
  SEXTANT_CHECK(time > Seconds(0.0) && std::isfinite(time.value()), "a fit needs positive times, got {} s",
                time.value());
}

}  // namespace

AlphaBeta fit_alpha_beta(std::span<const TimedAmount> points) {
  SEXTANT_CHECK(!points.empty(), "a fit without points");
  const auto num_points = static_cast<Eigen::Index>(points.size());
  Matrix design(num_points, 2);
  Vector time_s(num_points);
  for (Eigen::Index i = 0; i < num_points; ++i) {
    const TimedAmount& point = points[static_cast<std::size_t>(i)];
    require_time(point.time);
    design.row(i) << point.amount.value(), 1.0;  // bytes first: the term that one size is put down to
    time_s[i] = point.time.value();
  }
  const Vector x = fit_relative(design, time_s);
  return {.alpha = Seconds(x[1]), .beta = SecondsPerByte(x[0]), .residual = residual_of(time_s, design * x)};
}

RooflineFit fit_roofline(std::span<const TimedCounts> points) {
  SEXTANT_CHECK(!points.empty(), "a fit without points");
  const auto num_points = static_cast<Eigen::Index>(points.size());
  Matrix design(num_points, 3);
  Vector time_s(num_points);
  for (Eigen::Index i = 0; i < num_points; ++i) {
    const TimedCounts& point = points[static_cast<std::size_t>(i)];
    require_time(point.time);
    design.row(i) << point.flops.value(), point.bytes.value(), 1.0;
    time_s[i] = point.time.value();
  }
  const Vector x = fit_relative(design, time_s);
  return {.alpha = Seconds(x[2]),
          .gamma = SecondsPerFlop(x[0]),
          .beta = SecondsPerByte(x[1]),
          .residual = residual_of(time_s, design * x)};
}

}  // namespace sextant
