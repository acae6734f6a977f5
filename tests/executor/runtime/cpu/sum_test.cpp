#include "executor/runtime/cpu/sum.h"

#include <vector>

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(SumInRankOrder, AddsFromTheFirstPartOn) {
  // (1e8 + 1) - 1e8 in single precision: 1e8 + 1 rounds to 1e8, so 0; in another order 1.
  const std::vector<float> a{1e8F};
  const std::vector<float> b{1.0F};
  const std::vector<float> c{-1e8F};
  const float* parts[] = {a.data(), b.data(), c.data()};
  float sum = 9.0F;
  sum_in_rank_order<float>(&sum, parts, 1);
  EXPECT_EQ(sum, 0.0F);
  const float* other_order[] = {a.data(), c.data(), b.data()};
  sum_in_rank_order<float>(&sum, other_order, 1);
  EXPECT_EQ(sum, 1.0F);
}

TEST(SumInRankOrder, MayWriteOverAPart) {
  std::vector<double> a(3000, 1.0);
  std::vector<double> b(3000, 2.0);
  const void* parts[] = {a.data(), b.data()};
  sum_in_rank_order(b.data(), parts, b.size(), DataType::kFloat64);
  EXPECT_EQ(b, std::vector<double>(3000, 3.0));
  EXPECT_EQ(a, std::vector<double>(3000, 1.0));
}

}  // namespace
}  // namespace sextant
