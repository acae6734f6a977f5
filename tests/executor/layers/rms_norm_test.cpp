#include "executor/layers/rms_norm.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

TEST(RmsNorm, TwoElementsByHand) {
  // mean square of (3, 4) is 12.5; y = w * x / sqrt(12.5 + 1e-5)
  const std::vector<double> x = {3.0, 4.0};
  const std::vector<double> weight = {1.0, 2.0};
  std::vector<double> y(2);
  std::vector<double> inverse_rms(1);
  rms_norm_forward<double>({.rows = 1, .dim = 2}, x.data(), weight.data(), y.data(), inverse_rms.data());
  EXPECT_DOUBLE_EQ(inverse_rms[0], 1.0 / std::sqrt(12.50001));
  EXPECT_DOUBLE_EQ(y[0], 3.0 / std::sqrt(12.50001));
  EXPECT_DOUBLE_EQ(y[1], 8.0 / std::sqrt(12.50001));
}

struct Problem {
  RmsNormShape shape;
  std::vector<double> x, weight, dy;

  Problem(const RmsNormShape& norm_shape, std::uint32_t seed) : shape(norm_shape) {
    RandomData random(seed);
    x = random.vector(size());
    weight = random.vector(shape.dim);
    dy = random.vector(size());
  }
  [[nodiscard]] std::size_t size() const { return static_cast<std::size_t>(shape.rows * shape.dim); }
  [[nodiscard]] double loss() const {
    std::vector<double> y(size());
    std::vector<double> inverse_rms(shape.rows);
    rms_norm_forward(shape, x.data(), weight.data(), y.data(), inverse_rms.data());
    return testing::dot(y, dy);
  }
};

template <typename T>
struct Gradients {
  std::vector<T> dx, dweight;
};

template <typename T>
Gradients<T> backward(const Problem& problem, Store store, T initial) {
  const std::vector<T> x(problem.x.begin(), problem.x.end());
  const std::vector<T> weight(problem.weight.begin(), problem.weight.end());
  const std::vector<T> dy(problem.dy.begin(), problem.dy.end());
  std::vector<T> y(x.size());
  std::vector<T> inverse_rms(problem.shape.rows);
  rms_norm_forward(problem.shape, x.data(), weight.data(), y.data(), inverse_rms.data());
  Gradients<T> result{std::vector<T>(x.size(), initial), std::vector<T>(weight.size(), initial)};
  rms_norm_backward<T>(problem.shape, {.x = x.data(), .weight = weight.data(), .inverse_rms = inverse_rms.data()},
                       dy.data(), result.dx.data(), store, result.dweight.data());
  return result;
}

TEST(RmsNorm, BackwardEqualsFiniteDifferences) {
  for (const RmsNormShape shape : {RmsNormShape{1, 2}, RmsNormShape{3, 17}, RmsNormShape{5, 32}}) {
    Problem problem(shape, 11);
    const auto gradients = backward<double>(problem, Store::kReplace, 0.0);
    testing::expect_gradient("x", problem.x, gradients.dx, [&] { return problem.loss(); });
    testing::expect_gradient("weight", problem.weight, gradients.dweight, [&] { return problem.loss(); });
  }
}

TEST(RmsNorm, BackwardAddsWhereItShould) {
  const Problem problem({.rows = 2, .dim = 9}, 12);
  const auto replaced = backward<double>(problem, Store::kReplace, 1.0);
  const auto added = backward<double>(problem, Store::kAdd, 1.0);
  const auto from_zero = backward<double>(problem, Store::kReplace, 0.0);
  for (std::size_t i = 0; i < replaced.dx.size(); ++i) {
    EXPECT_DOUBLE_EQ(replaced.dx[i], from_zero.dx[i]);
    EXPECT_DOUBLE_EQ(added.dx[i], from_zero.dx[i] + 1.0);
  }
  for (std::size_t i = 0; i < replaced.dweight.size(); ++i) {
    EXPECT_NEAR(replaced.dweight[i], from_zero.dweight[i] + 1.0, 1e-14);
  }
}

TEST(RmsNorm, FloatFollowsDouble) {
  const Problem problem({.rows = 7, .dim = 193}, 13);
  const auto single = backward<float>(problem, Store::kReplace, 0.0F);
  const auto reference = backward<double>(problem, Store::kReplace, 0.0);
  EXPECT_LE(testing::relative_error(single.dx, reference.dx), 1e-6);
  EXPECT_LE(testing::relative_error(single.dweight, reference.dweight), 1e-6);
}

}  // namespace
}  // namespace sextant
