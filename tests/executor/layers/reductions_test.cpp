#include "executor/layers/reductions.h"

#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include "tests/executor/layers/gradient_check.h"

namespace sextant {
namespace {

// Small integers: every order of summation is exact.
std::vector<float> integers(std::int64_t n) {
  testing::RandomData random(91);
  std::vector<float> values(n);
  for (float& value : values) value = static_cast<float>(random.integer(-8, 8));
  return values;
}

TEST(Reductions, EqualTheLoopForEveryLength) {
  for (std::int64_t n = 0; n < 70; ++n) {
    const auto x = integers(n);
    double total = 0.0, squares = 0.0, cubes = 0.0;
    for (const double value : x) {
      total += value;
      squares += value * value;
      cubes += value * value * value;
    }
    EXPECT_EQ(sum(n, x.data()), total) << n;
    EXPECT_EQ(dot(n, x.data(), x.data()), squares) << n;
    EXPECT_EQ(dot(n, x.data(), x.data(), x.data()), cubes) << n;
    EXPECT_EQ(sum_of_squares_in_double(n, x.data()), squares) << n;
  }
}

TEST(Reductions, NanReachesTheSum) {
  std::vector<float> x(33, 1.0F);
  x[20] = std::numeric_limits<float>::quiet_NaN();
  EXPECT_NE(sum<float>(33, x.data()), sum<float>(33, x.data()));
  EXPECT_NE(sum_of_squares_in_double<float>(33, x.data()), sum_of_squares_in_double<float>(33, x.data()));
}

}  // namespace
}  // namespace sextant
