#include "executor/layers/adamw.h"

#include <cmath>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

const AdamWOptions kOptions{.learning_rate = 0.01,
                            .beta1 = 0.9,
                            .beta2 = 0.95,
                            .epsilon = 1e-8,
                            .weight_decay = 0.1,
                            .gradient_scale = 0.5,
                            .step = 1};

template <typename T>
struct State {
  std::vector<T> value, gradient, first, second;
  void update(const AdamWOptions& options) { adamw_update<T>(options, {value, gradient, first, second}); }
};

TEST(AdamW, FirstStepByHand) {
  // g = 0.5 * 4 = 2; m = 0.1 * 2 = 0.2; v = 0.05 * 4 = 0.2; m/0.1 = 2; v/0.05 = 4
  // value = 3 - 0.01 * (2 / (2 + 1e-8) + 0.1 * 3) = 3 - 0.013
  State<double> state{{3.0}, {4.0}, {0.0}, {0.0}};
  state.update(kOptions);
  EXPECT_NEAR(state.first[0], 0.2, 1e-15);
  EXPECT_NEAR(state.second[0], 0.2, 1e-15);
  EXPECT_NEAR(state.value[0], 2.987, 1e-9);
}

TEST(AdamW, ZeroGradientWithoutDecayMovesNothing) {
  State<float> state{{3.0F}, {0.0F}, {0.0F}, {0.0F}};
  auto options = kOptions;
  options.weight_decay = 0.0;
  state.update(options);
  EXPECT_EQ(state.value[0], 3.0F);
}

// One element as the header writes it.
void reference_update(const AdamWOptions& o, State<double>& s, std::size_t i) {
  const double g = o.gradient_scale * s.gradient[i];
  s.first[i] = o.beta1 * s.first[i] + (1.0 - o.beta1) * g;
  s.second[i] = o.beta2 * s.second[i] + (1.0 - o.beta2) * g * g;
  const double m = s.first[i] / (1.0 - std::pow(o.beta1, static_cast<double>(o.step)));
  const double v = s.second[i] / (1.0 - std::pow(o.beta2, static_cast<double>(o.step)));
  s.value[i] -= o.learning_rate * (m / (std::sqrt(v) + o.epsilon) + o.weight_decay * s.value[i]);
}

TEST(AdamW, TenStepsFollowTheDefinition) {
  RandomData random(61);
  State<double> state{random.vector(37), random.vector(37), std::vector<double>(37), std::vector<double>(37)};
  auto reference = state;
  State<float> single{testing::to_float(state.value), testing::to_float(state.gradient), std::vector<float>(37),
                      std::vector<float>(37)};
  auto options = kOptions;
  for (options.step = 1; options.step <= 10; ++options.step) {
    state.update(options);
    single.update(options);
    for (std::size_t i = 0; i < 37; ++i) reference_update(options, reference, i);
    const auto gradient = random.vector(37);
    state.gradient = reference.gradient = gradient;
    single.gradient = testing::to_float(gradient);
  }
  EXPECT_LE(testing::relative_error(state.value, reference.value), 1e-14);
  EXPECT_LE(testing::relative_error(state.second, reference.second), 1e-14);
  EXPECT_LE(testing::relative_error(single.value, reference.value), 1e-6);
}

TEST(SumOfSquares, ByHand) {
  EXPECT_EQ(sum_of_squares<float>(std::vector<float>{1.0F, -2.0F, 3.0F}), 14.0);
  EXPECT_EQ(sum_of_squares<double>({}), 0.0);
}

TEST(SumOfSquares, FloatIsSummedInDouble) {
  // 2^24 + 1 is not a float: a float sum would lose every 1.
  std::vector<float> values(101, 1.0F);
  values[0] = 4096.0F;
  EXPECT_EQ(sum_of_squares<float>(values), 16777216.0 + 100.0);
}

}  // namespace
}  // namespace sextant
