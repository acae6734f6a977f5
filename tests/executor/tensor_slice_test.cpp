#include "executor/tensor_slice.h"

#include <numeric>
#include <vector>

#include <gtest/gtest.h>

namespace sextant {
namespace {

using Dims = std::vector<std::int64_t>;

std::vector<int> part_of(const Dims& shape, const Dims& begin, const Dims& extent) {
  std::vector<int> whole(
      static_cast<std::size_t>(std::accumulate(shape.begin(), shape.end(), 1LL, std::multiplies<>())));
  std::iota(whole.begin(), whole.end(), 0);
  std::vector<int> part(
      static_cast<std::size_t>(std::accumulate(extent.begin(), extent.end(), 1LL, std::multiplies<>())));
  copy_from_whole<int>({.shape = shape, .begin = begin, .extent = extent}, whole, part);
  return part;
}

TEST(TensorSlice, ColumnsOfAMatrix) {
  // 2 x 4: rows 0 1 2 3 and 4 5 6 7; columns 2..3
  EXPECT_EQ(part_of({2, 4}, {0, 2}, {2, 2}), (std::vector{2, 3, 6, 7}));
}

TEST(TensorSlice, RowsOfAMatrix) {
  EXPECT_EQ(part_of({3, 2}, {1, 0}, {2, 2}), (std::vector{2, 3, 4, 5}));
}

TEST(TensorSlice, AVector) {
  EXPECT_EQ(part_of({5}, {1}, {3}), (std::vector{1, 2, 3}));
}

TEST(TensorSlice, AMiddleBlockOfThreeDims) {
  // element (i, j, k) of 2 x 3 x 2 is 6 i + 2 j + k; i = 1, j = 1..2, k = 0..1
  EXPECT_EQ(part_of({2, 3, 2}, {1, 1, 0}, {1, 2, 2}), (std::vector{8, 9, 10, 11}));
}

TEST(TensorSlice, PartsPutTogetherAreTheWhole) {
  const Dims shape{2, 4};
  const Dims extent{2, 2};
  std::vector<int> whole(8);
  const std::vector<int> left{0, 1, 4, 5};
  const std::vector<int> right{2, 3, 6, 7};
  const Dims at_left{0, 0};
  const Dims at_right{0, 2};
  copy_into_whole<int>({.shape = shape, .begin = at_left, .extent = extent}, left, whole);
  copy_into_whole<int>({.shape = shape, .begin = at_right, .extent = extent}, right, whole);
  EXPECT_EQ(whole, (std::vector{0, 1, 2, 3, 4, 5, 6, 7}));
}

}  // namespace
}  // namespace sextant
