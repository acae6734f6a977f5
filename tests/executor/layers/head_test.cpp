#include "executor/layers/head.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "executor/layers/rms_norm.h"
#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

template <typename T>
struct Problem {
  HeadShape shape;
  std::vector<T> x, norm, out;
  std::vector<std::int32_t> targets;
  double loss_scale = 0.125;

  [[nodiscard]] HeadWeights<T> weights() const { return {norm.data(), out.data()}; }
  [[nodiscard]] double scaled_loss() const {
    std::vector<T> saved(head_saved_size(shape));
    return loss_scale * head_forward(shape, weights(), x.data(), targets, loss_scale, saved.data());
  }
};

Problem<double> random_problem(const HeadShape& shape, std::uint32_t seed) {
  RandomData random(seed);
  return {.shape = shape,
          .x = random.vector(shape.rows * shape.model_dim),
          .norm = random.vector(shape.model_dim),
          .out = random.vector(shape.model_dim * shape.vocabulary),
          .targets = random.tokens(shape.rows, shape.vocabulary)};
}

template <typename T>
struct Gradients {
  double loss;
  std::vector<T> dx, norm, out;
};

template <typename T>
Gradients<T> run(const Problem<T>& problem) {
  std::vector<T> saved(head_saved_size(problem.shape));
  Gradients<T> result{0.0, std::vector<T>(problem.x.size(), T(5)), std::vector<T>(problem.norm.size()),
                      std::vector<T>(problem.out.size())};
  result.loss = head_forward(problem.shape, problem.weights(), problem.x.data(), problem.targets, problem.loss_scale,
                             saved.data());
  head_backward<T>(problem.shape, problem.weights(), problem.x.data(), result.dx.data(),
                   {result.norm.data(), result.out.data()}, saved.data());
  return result;
}

TEST(CrossEntropy, TwoLogitsByHand) {
  // softmax(ln 3, 0) = (3/4, 1/4); target 1: loss = -ln(1/4)
  std::vector<double> logits = {std::log(3.0), 0.0};
  const double loss = cross_entropy_in_place<double>(2, std::vector<std::int32_t>{1}, 2.0, logits.data());
  EXPECT_NEAR(loss, std::log(4.0), 1e-15);
  EXPECT_NEAR(logits[0], 2.0 * 0.75, 1e-15);
  EXPECT_NEAR(logits[1], 2.0 * (0.25 - 1.0), 1e-15);
}

TEST(CrossEntropy, EqualLogitsGiveTheLogarithmOfTheVocabulary) {
  std::vector<float> logits(3 * 256, 7.0F);
  const double loss = cross_entropy_in_place<float>(256, std::vector<std::int32_t>{0, 99, 255}, 1.0, logits.data());
  EXPECT_NEAR(loss, 3.0 * std::log(256.0), 1e-6);
}

TEST(CrossEntropy, LargeLogitsDoNotOverflow) {
  std::vector<float> logits = {1000.0F, 0.0F, -1000.0F};
  const double loss = cross_entropy_in_place<float>(3, std::vector<std::int32_t>{2}, 1.0, logits.data());
  EXPECT_NEAR(loss, 2000.0, 1e-3);
}

TEST(Head, LossIsTheDefinition) {
  const auto problem = random_problem({.rows = 2, .model_dim = 3, .vocabulary = 5}, 51);
  double expected = 0.0;
  for (std::int64_t row = 0; row < 2; ++row) {
    const double* x = problem.x.data() + row * 3;
    const double rms = std::sqrt((x[0] * x[0] + x[1] * x[1] + x[2] * x[2]) / 3.0 + kRmsNormEpsilon);
    std::vector<double> logits(5);
    double sum = 0.0;
    for (std::size_t v = 0; v < 5; ++v) {
      for (std::size_t i = 0; i < 3; ++i) logits[v] += x[i] / rms * problem.norm[i] * problem.out[i * 5 + v];
      sum += std::exp(logits[v]);
    }
    expected += std::log(sum) - logits[problem.targets[row]];
  }
  EXPECT_NEAR(problem.scaled_loss(), problem.loss_scale * expected, 1e-14);
}

TEST(Head, BackwardEqualsFiniteDifferences) {
  for (const HeadShape shape : {HeadShape{1, 2, 2}, HeadShape{5, 7, 11}, HeadShape{3, 16, 33}}) {
    auto problem = random_problem(shape, 52);
    const auto gradients = run(problem);
    const auto loss = [&] { return problem.scaled_loss(); };
    testing::expect_gradient("x", problem.x, gradients.dx, loss);
    testing::expect_gradient("norm", problem.norm, gradients.norm, loss);
    testing::expect_gradient("out", problem.out, gradients.out, loss);
  }
}

TEST(Head, FloatFollowsDouble) {
  const auto problem = random_problem({.rows = 37, .model_dim = 48, .vocabulary = 256}, 53);
  const Problem<float> single{.shape = problem.shape,
                              .x = testing::to_float(problem.x),
                              .norm = testing::to_float(problem.norm),
                              .out = testing::to_float(problem.out),
                              .targets = problem.targets};
  const auto expected = run(problem);
  const auto actual = run(single);
  EXPECT_NEAR(actual.loss, expected.loss, 1e-6 * expected.loss);
  EXPECT_LE(testing::relative_error(actual.dx, expected.dx), 3e-6);
  EXPECT_LE(testing::relative_error(actual.norm, expected.norm), 3e-6);
  EXPECT_LE(testing::relative_error(actual.out, expected.out), 3e-6);
}

}  // namespace
}  // namespace sextant
