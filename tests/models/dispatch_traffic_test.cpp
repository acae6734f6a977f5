#include "models/dispatch_traffic.h"

#include <cmath>

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

// DeepSeek-V3: 8 experts a token of 256, in 4 of 8 groups.
constexpr ExpertGroups kFourOfEight{.count = 8, .chosen = 4};

TEST(DistinctPlaces, WithAGroupANodeATokenReachesTheNodesOfItsGroups) {
  // 8 copies on 4 nodes: 4 (1 - (3/4)^8) = 4 x 0.899887 = 3.59955; everywhere 8 (1 - (7/8)^8) = 5.25113.
  EXPECT_NEAR(distinct_places(8.0, 8, kFourOfEight), 3.59955, 1e-5);
  EXPECT_NEAR(distinct_places(8.0, 8), 5.25113, 1e-5);
}

TEST(DistinctPlaces, AGroupMaySpanPlaces) {
  // 4 groups of 8 ranks each: 32 (1 - (31/32)^8) = 32 x 0.2243 = 7.1776.
  EXPECT_NEAR(distinct_places(64.0, 8, kFourOfEight), 32.0 * (1.0 - std::pow(31.0 / 32.0, 8)), 1e-12);
}

TEST(DistinctPlaces, APlaceMayHoldGroups) {
  // 2 nodes of 2 groups, 2 of 4 chosen, 2 copies. A node has none of the two with 1/6, one with 4/6, both with 1/6; no
  // copy there: 1/6 x 1 + 4/6 x 1/4 + 1/6 x 0 = 1/3. So 2 x 2/3 nodes; everywhere 2 (1 - 1/4) = 1.5.
  EXPECT_NEAR(distinct_places(2.0, 2, ExpertGroups{.count = 4, .chosen = 2}), 4.0 / 3.0, 1e-12);
  // All groups on one node.
  EXPECT_DOUBLE_EQ(distinct_places(1.0, 8, kFourOfEight), 1.0);
}

TEST(DistinctPlaces, WithAllGroupsChosenAreThoseOfNoLimit) {
  for (const double places : {1.0, 2.0, 4.0, 8.0, 16.0, 24.0}) {
    EXPECT_NEAR(distinct_places(places, 6, ExpertGroups{.count = 8, .chosen = 8}), distinct_places(places, 6), 1e-12);
  }
}

TEST(DistinctPlaces, AreNeverMoreForALimit) {
  for (const double places : {1.0, 2.0, 3.0, 4.0, 8.0, 16.0, 32.0}) {
    for (int chosen = 1; chosen <= 8; ++chosen) {
      const ExpertGroups groups{.count = 8, .chosen = chosen};
      EXPECT_LE(distinct_places(places, 8, groups), distinct_places(places, 8) * (1.0 + 1e-12));
      EXPECT_GE(distinct_places(places, 8, groups), 1.0 - 1e-12);
    }
  }
  // 3 places and 8 groups: neither divides the other.
  EXPECT_EQ(distinct_places(3.0, 8, kFourOfEight), distinct_places(3.0, 8));
}

TEST(DispatchTraffic, RoutingLimitsHelpDeduplicatedDispatchAlone) {
  // 64 ranks on 8 nodes: 7/8 of 3.59955 / 8 of the buffer; other algorithms send every copy.
  DispatchGroup group{.ranks = 64, .ranks_of_node = 8, .copies = 8, .expert_groups = kFourOfEight};
  EXPECT_NEAR(dispatch_traffic(Dispatch::kDeduplicated, kBuffer, group).inter.value(), 1600.0 * 7 / 8 * 3.59955 / 8,
              1e-2);
  for (const Dispatch dispatch : {Dispatch::kFlat, Dispatch::kHierarchical1D, Dispatch::kHierarchical2D}) {
    group.expert_groups = kFourOfEight;
    const Bytes limited = dispatch_traffic(dispatch, kBuffer, group).inter;
    group.expert_groups.reset();
    EXPECT_EQ(limited, dispatch_traffic(dispatch, kBuffer, group).inter);
  }
}

}  // namespace
}  // namespace sextant
