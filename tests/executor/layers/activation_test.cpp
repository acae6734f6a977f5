#include "executor/layers/activation.h"

#include <cmath>
#include <numbers>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

using testing::RandomData;

std::vector<double> inputs(std::uint32_t seed) {
  auto values = RandomData(seed).vector(101);
  for (double& value : values) value *= 6.0;
  return values;
}

double gelu(double a) {
  return a / 2.0 * (1.0 + std::tanh(std::sqrt(2.0 / std::numbers::pi) * (a + 0.044715 * a * a * a)));
}
double silu(double a) {
  return a / (1.0 + std::exp(-a));
}

TEST(Gelu, IsTheTanhForm) {
  const auto a = inputs(21);
  std::vector<double> h(a.size());
  gelu_forward(a.size(), a.data(), h.data());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(h[i], gelu(a[i]), 1e-14 * (1.0 + std::abs(a[i])));
}

TEST(Gelu, BackwardEqualsFiniteDifferences) {
  auto a = inputs(22);
  const auto dh = inputs(23);
  auto gradient = a;
  auto activated = dh;
  gelu_backward_in_place(a.size(), gradient.data(), activated.data());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(activated[i], gelu(a[i]), 1e-14 * (1.0 + std::abs(a[i])));
  testing::expect_gradient("a", a, gradient, [&] {
    std::vector<double> h(a.size());
    gelu_forward(a.size(), a.data(), h.data());
    return testing::dot(h, dh);
  });
}

TEST(Gelu, FloatFollowsDouble) {
  const auto a = inputs(24);
  const auto single = testing::to_float(a);
  std::vector<float> h(a.size());
  gelu_forward(h.size(), single.data(), h.data());
  for (std::size_t i = 0; i < h.size(); ++i) EXPECT_NEAR(h[i], gelu(static_cast<double>(single[i])), 3e-6);
}

TEST(Gelu, FarInputsAreZeroOrThemselves) {
  const std::vector<float> a = {-50.0F, 0.0F, 50.0F};
  std::vector<float> h(3);
  gelu_forward(h.size(), a.data(), h.data());
  EXPECT_NEAR(h[0], 0.0F, 1e-30F);
  EXPECT_EQ(h[1], 0.0F);
  EXPECT_EQ(h[2], 50.0F);
}

TEST(SiluGate, IsSiluTimesGate) {
  const auto a = inputs(25);
  const auto b = inputs(26);
  std::vector<double> h(a.size());
  silu_gate_forward(a.size(), a.data(), b.data(), h.data());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(h[i], silu(a[i]) * b[i], 1e-13);
}

TEST(SiluGate, BackwardEqualsFiniteDifferences) {
  auto a = inputs(27);
  auto b = inputs(28);
  const auto dh = inputs(29);
  auto da = a;
  auto db = b;
  auto activated = dh;
  silu_gate_backward_in_place(a.size(), da.data(), db.data(), activated.data());
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_NEAR(activated[i], silu(a[i]) * b[i], 1e-13);
  const auto loss = [&] {
    std::vector<double> h(a.size());
    silu_gate_forward(a.size(), a.data(), b.data(), h.data());
    return testing::dot(h, dh);
  };
  testing::expect_gradient("a", a, da, loss);
  testing::expect_gradient("b", b, db, loss);
}

TEST(SiluGate, FloatFollowsDouble) {
  const auto a = inputs(30);
  const auto b = inputs(31);
  const auto dh = inputs(32);
  auto da = a, db = b, h = dh;
  silu_gate_backward_in_place(a.size(), da.data(), db.data(), h.data());
  auto da_single = testing::to_float(a), db_single = testing::to_float(b), h_single = testing::to_float(dh);
  silu_gate_backward_in_place(a.size(), da_single.data(), db_single.data(), h_single.data());
  EXPECT_LE(testing::relative_error(da_single, da), 1e-6);
  EXPECT_LE(testing::relative_error(db_single, db), 1e-6);
  EXPECT_LE(testing::relative_error(h_single, h), 1e-6);
}

}  // namespace
}  // namespace sextant
