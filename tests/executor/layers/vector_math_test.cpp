#include "executor/layers/vector_math.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(ExpOf, FloatIsWithinTwoTenMillionths) {
  double worst = 0.0;
  for (float x = -87.0F; x <= 88.0F; x += 1.0F / 1024.0F) {
    const double exact = std::exp(static_cast<double>(x));
    worst = std::max(worst, std::abs(static_cast<double>(exp_of(x)) - exact) / exact);
  }
  EXPECT_LE(worst, 2e-7);
}

TEST(ExpOf, ZeroGivesExactlyOne) {
  EXPECT_EQ(exp_of(0.0F), 1.0F);
  EXPECT_EQ(exp_of(0.0), 1.0);
}

TEST(ExpOf, IsZeroBelowAndInfiniteAboveTheRange) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  for (const float x : {-kInfinity, -1e30F, -1000.0F, -88.0F}) EXPECT_EQ(exp_of(x), 0.0F) << x;
  for (const float x : {88.5F, 1000.0F, 1e30F, kInfinity}) EXPECT_EQ(exp_of(x), kInfinity) << x;
}

TEST(ExpOf, KeepsNaN) {
  EXPECT_TRUE(std::isnan(exp_of(std::numeric_limits<float>::quiet_NaN())));
}

TEST(Sigmoid, OfZeroIsOneHalf) {
  EXPECT_EQ(sigmoid(0.0F), 0.5F);
}

TEST(Sigmoid, OfFarValuesIsZeroOrOne) {
  EXPECT_EQ(sigmoid(100.0F), 1.0F);
  EXPECT_NEAR(sigmoid(-100.0F), 0.0F, 1e-37F);
}

}  // namespace
}  // namespace sextant
