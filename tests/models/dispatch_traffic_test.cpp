#include "models/dispatch_traffic.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

// 16 ranks on two nodes of 8, 2 copies of each token, a buffer of 1600 B.
constexpr DispatchGroup kTwoNodes{.ranks = 16, .ranks_of_node = 8, .copies = 2};
constexpr Bytes kBuffer(1600.0);

TEST(DispatchTraffic, FlatSendsASixteenthToEveryOtherRank) {
  // 100 B to each: 7 neighbours, 8 ranks of the other node.
  const DispatchTraffic traffic = dispatch_traffic(Dispatch::kFlat, kBuffer, kTwoNodes);
  EXPECT_DOUBLE_EQ(traffic.intra.value(), 700.0);
  EXPECT_DOUBLE_EQ(traffic.inter.value(), 800.0);
  EXPECT_EQ(traffic.messages, 8);
  EXPECT_FALSE(traffic.one_tier_after_the_other);
}

TEST(DispatchTraffic, OneDimensionalGathersANodeOnOneRank) {
  // 7 x 1600 B come and 7 x 1600 B go; half of 8 x 1600 B crosses.
  const DispatchTraffic traffic = dispatch_traffic(Dispatch::kHierarchical1D, kBuffer, kTwoNodes);
  EXPECT_DOUBLE_EQ(traffic.intra.value(), 22400.0);
  EXPECT_DOUBLE_EQ(traffic.inter.value(), 6400.0);
  EXPECT_EQ(traffic.messages, 1);
  EXPECT_TRUE(traffic.one_tier_after_the_other);
}

TEST(DispatchTraffic, TwoDimensionalSortsInsideTheNodeFirst) {
  // 7/8 of the buffer to neighbours, then half of it to the same place in the other node: one message.
  const DispatchTraffic traffic = dispatch_traffic(Dispatch::kHierarchical2D, kBuffer, kTwoNodes);
  EXPECT_DOUBLE_EQ(traffic.intra.value(), 1400.0);
  EXPECT_DOUBLE_EQ(traffic.inter.value(), 800.0);
  EXPECT_EQ(traffic.messages, 1);
  EXPECT_TRUE(traffic.one_tier_after_the_other);
}

TEST(DispatchTraffic, DeduplicatedSendsATokenOnceToEachNodeAndRank) {
  // Two copies lie on 2 (1 - 1/4) = 1.5 nodes and 16 (1 - (15/16)^2) = 1.9375 ranks.
  const DispatchTraffic traffic = dispatch_traffic(Dispatch::kDeduplicated, kBuffer, kTwoNodes);
  EXPECT_DOUBLE_EQ(traffic.intra.value(), 1400.0 * 1.9375 / 2);
  EXPECT_DOUBLE_EQ(traffic.inter.value(), 800.0 * 1.5 / 2);
  EXPECT_EQ(traffic.messages, 1);
}

TEST(DispatchTraffic, StaysInsideOneNode) {
  for (int d = 0; d < kNumDispatches; ++d) {
    const DispatchTraffic traffic =
        dispatch_traffic(Dispatch(d), kBuffer, {.ranks = 8, .ranks_of_node = 8, .copies = 4});
    EXPECT_EQ(traffic.inter, Bytes(0.0)) << to_text(Dispatch(d));
    EXPECT_EQ(traffic.messages, 0);
    EXPECT_GT(traffic.intra, Bytes(0.0));
  }
}

}  // namespace
}  // namespace sextant
