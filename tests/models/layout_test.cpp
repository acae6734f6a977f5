#include "models/layout.h"

#include <algorithm>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

constexpr GroupKind kAllKinds[] = {GroupKind::kTp,  GroupKind::kDp,  GroupKind::kEp,
                                   GroupKind::kEsp, GroupKind::kEdp, GroupKind::kStage};

// FSMoE's own layout on two nodes of four: tp = esp = devices per node, dp = ep = nodes.
ParallelLayout fsmoe_layout() {
  return ParallelLayout({.dp = 2, .tp = 4, .ep = 2, .esp = 4}, {.nodes = 2, .devices_per_node = 4});
}

TEST(ParallelLayout, TensorGroupsAreConsecutiveRanks) {
  EXPECT_THAT(fsmoe_layout().group_ranks(GroupKind::kTp, 6), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(fsmoe_layout().group_ranks(GroupKind::kEsp, 1), ElementsAre(0, 1, 2, 3));
}

TEST(ParallelLayout, DataAndExpertGroupsStrideOverNodes) {
  EXPECT_THAT(fsmoe_layout().group_ranks(GroupKind::kDp, 6), ElementsAre(2, 6));
  EXPECT_THAT(fsmoe_layout().group_ranks(GroupKind::kEp, 1), ElementsAre(1, 5));
}

TEST(ParallelLayout, GridsOfOneStageDoNotReachIntoAnother) {
  // pp 2 x (dp 2 x tp 2); experts edp 2 x ep 2. Stage 1 holds ranks 4 to 7.
  const ParallelLayout layout({.pp = 2, .dp = 2, .tp = 2, .edp = 2, .ep = 2}, {.nodes = 1, .devices_per_node = 8});
  EXPECT_THAT(layout.group_ranks(GroupKind::kStage, 5), ElementsAre(4, 5, 6, 7));
  EXPECT_THAT(layout.group_ranks(GroupKind::kDp, 5), ElementsAre(5, 7));
  EXPECT_THAT(layout.group_ranks(GroupKind::kEdp, 5), ElementsAre(5, 7));
  EXPECT_THAT(layout.group_ranks(GroupKind::kEp, 5), ElementsAre(4, 5));
}

TEST(ParallelLayout, ContextParallelRanksJoinTheDenseReplicas) {
  // rank = (dp_index * cp + cp_index) * tp + tp_index with dp 2, cp 2, tp 2
  const ParallelLayout layout({.dp = 2, .cp = 2, .tp = 2, .edp = 8}, {.nodes = 1, .devices_per_node = 8});
  EXPECT_THAT(layout.group_ranks(GroupKind::kDp, 3), ElementsAre(1, 3, 5, 7));
}

TEST(ParallelLayout, GroupShapeFollowsFromTheNodesNotFromTheName) {
  EXPECT_EQ(fsmoe_layout().group_shape(GroupKind::kTp), (GroupShape{1, 4}));
  EXPECT_EQ(fsmoe_layout().group_shape(GroupKind::kEp), (GroupShape{2, 1}));
  EXPECT_EQ(fsmoe_layout().group_shape(GroupKind::kStage), (GroupShape{2, 4}));
  EXPECT_EQ(fsmoe_layout().group_shape(GroupKind::kEdp), (GroupShape{1, 1}));
}

TEST(ParallelLayout, GroupShapeIsThatOfTheWidestGroup) {
  // tp 4 on nodes of 6: ranks 0-3 in node 0; 4-7 over both nodes; 8-11 in node 1.
  const ParallelLayout layout({.dp = 3, .tp = 4, .edp = 12}, {.nodes = 2, .devices_per_node = 6});
  EXPECT_EQ(layout.group_shape(GroupKind::kTp), (GroupShape{2, 2}));
}

// Every division of `num_ranks` ranks over the seven axes.
template <typename Visit>
void for_each_layout(const Topology& topology, const Visit& visit) {
  const int n = topology.num_ranks();
  for (int pp = 1; pp <= n; ++pp) {
    if (n % pp != 0) continue;
    const int stage = n / pp;
    for (int dp = 1; dp <= stage; ++dp) {
      for (int cp = 1; stage % dp == 0 && cp <= stage / dp; ++cp) {
        if (stage / dp % cp != 0) continue;
        for (int edp = 1; edp <= stage; ++edp) {
          for (int ep = 1; stage % edp == 0 && ep <= stage / edp; ++ep) {
            if (stage / edp % ep != 0) continue;
            visit(ParallelLayout(
                {.pp = pp, .dp = dp, .cp = cp, .tp = stage / dp / cp, .edp = edp, .ep = ep, .esp = stage / edp / ep},
                topology));
          }
        }
      }
    }
  }
}

void expect_groups_partition_the_ranks(const ParallelLayout& layout, GroupKind kind) {
  std::multiset<int> seen;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    const std::vector<int> group = layout.group_ranks(kind, rank);
    ASSERT_EQ(static_cast<int>(group.size()), layout.group_size(kind));
    ASSERT_EQ(group[static_cast<std::size_t>(layout.index_in_group(kind, rank))], rank);
    ASSERT_TRUE(std::is_sorted(group.begin(), group.end()));
    ASSERT_EQ(layout.group_ranks(kind, group.front()), group);
    if (layout.index_in_group(kind, rank) == 0) seen.insert(group.begin(), group.end());
  }
  ASSERT_EQ(static_cast<int>(seen.size()), layout.world_size());
  ASSERT_EQ(std::set<int>(seen.begin(), seen.end()).size(), seen.size());
}

// Nodes of a group and the most of its ranks in one of them, rank by rank; the widest group of the kind.
GroupShape counted_shape(const ParallelLayout& layout, GroupKind kind) {
  GroupShape widest;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    if (layout.index_in_group(kind, rank) != 0) continue;
    std::map<int, int> in_node;
    for (const int member : layout.group_ranks(kind, rank)) ++in_node[layout.topology().node_of(member)];
    GroupShape shape{.nodes = static_cast<int>(in_node.size())};
    for (const auto& [node, count] : in_node) shape.ranks_per_node = std::max(shape.ranks_per_node, count);
    widest = std::max(widest, shape);
  }
  return widest;
}

TEST(ParallelLayout, GroupShapeIsThatOfCountingRankByRank) {
  for (const Topology& topology : {Topology{2, 6},
                                   {6, 2},
                                   {3, 4},
                                   {4, 3},
                                   {8, 3},
                                   {2, 9},
                                   {5, 6},
                                   {3, 10},
                                   {12, 5},
                                   {7, 1},
                                   {1, 12},
                                   {4, 4},
                                   {6, 15}}) {
    for_each_layout(topology, [&](const ParallelLayout& layout) {
      if (layout.degrees().cp > 1) return;  // as dp does
      for (const GroupKind kind :
           {GroupKind::kTp, GroupKind::kDp, GroupKind::kEp, GroupKind::kEsp, GroupKind::kEdp, GroupKind::kStage}) {
        ASSERT_EQ(layout.group_shape(kind), counted_shape(layout, kind))
            << to_text(kind) << ", " << to_text(layout.degrees()) << ", " << topology.nodes << " nodes of "
            << topology.devices_per_node;
      }
    });
  }
}

TEST(ParallelLayout, SixteenMillionRanksTakeNoTime) {
  // tp 3 of 3 x 2^22 ranks on nodes of 4: groups of nodes 0 and 1, two ranks in one.
  for (int repeat = 0; repeat < 10000; ++repeat) {
    const ParallelLayout layout({.dp = 1 << 22, .tp = 3, .edp = 3 << 22}, {.nodes = 3 << 20, .devices_per_node = 4});
    ASSERT_EQ(layout.group_shape(GroupKind::kTp), (GroupShape{2, 2}));
    ASSERT_EQ(layout.group_shape(GroupKind::kDp), (GroupShape{3 << 20, 2}));
  }
}

TEST(ParallelLayout, GroupsOfEveryKindPartitionTheRanks) {
  int layouts = 0;
  for_each_layout({.nodes = 3, .devices_per_node = 4}, [&](const ParallelLayout& layout) {
    ++layouts;
    for (const GroupKind kind : kAllKinds) {
      SCOPED_TRACE(to_text(layout.degrees()) + " " + to_text(kind));
      expect_groups_partition_the_ranks(layout, kind);
    }
  });
  EXPECT_GT(layouts, 100);
}

TEST(ParallelLayout, RefusalShowsTheWholeEquation) {
  const std::string attention = error_text<ConfigError>(
      [] { ParallelLayout({.dp = 3, .tp = 2, .edp = 8}, {.nodes = 2, .devices_per_node = 4}); });
  EXPECT_EQ(attention, "pp 1 x dp 3 x cp 1 x tp 2 = 6, but there are nodes 2 x devices_per_node 4 = 8 ranks");
  const std::string experts = error_text<ConfigError>(
      [] { ParallelLayout({.dp = 8, .ep = 2, .esp = 2}, {.nodes = 2, .devices_per_node = 4}); });
  EXPECT_EQ(experts, "pp 1 x edp 1 x ep 2 x esp 2 = 4, but there are nodes 2 x devices_per_node 4 = 8 ranks");
}

TEST(ParallelLayout, RefusesDegreesBelowOne) {
  EXPECT_THAT(error_text<ConfigError>([] { ParallelLayout({.tp = 0}, {}); }), HasSubstr("tp is 0"));
  EXPECT_THAT(error_text<ConfigError>([] { ParallelLayout({.ep = -2}, {}); }), HasSubstr("ep is -2"));
  EXPECT_THAT(error_text<ConfigError>([] { ParallelLayout({}, {.nodes = 0}); }), HasSubstr("nodes is 0"));
}

TEST(ParallelLayout, HugeDegreesDoNotWrapAround) {
  // 65536^4 is 0 modulo 2^64, and 65536 * 65536 is 0 modulo 2^32.
  EXPECT_THROW(ParallelLayout({.pp = 65536, .dp = 65536, .cp = 65536, .tp = 65536}, {}), ConfigError);
  EXPECT_THROW(ParallelLayout({}, {.nodes = 65536, .devices_per_node = 65536}), ConfigError);
}

TEST(ToText, ShowsPipelineAndContextDegreesOnlyWhereTheyExceedOne) {
  EXPECT_EQ(to_text(ParallelDegrees{.dp = 2, .tp = 2, .ep = 2, .esp = 2}), "dp2 tp2 | edp1 ep2 esp2");
  EXPECT_EQ(to_text(ParallelDegrees{.pp = 2, .cp = 4}), "pp2 dp1 cp4 tp1 | edp1 ep1 esp1");
}

TEST(ToText, NamesEveryGroupKindDifferently) {
  std::set<std::string> names;
  for (const GroupKind kind : kAllKinds) names.insert(to_text(kind));
  EXPECT_EQ(names.size(), static_cast<std::size_t>(kNumGroupKinds));
}

TEST(RequireValid, BoundsTheRanks) {
  EXPECT_NO_THROW(require_valid({.nodes = 1 << 12, .devices_per_node = 1 << 12}));
  EXPECT_THAT(error_text<ConfigError>([] { require_valid({.nodes = 1 << 20, .devices_per_node = 1 << 20}); }),
              HasSubstr("at most 2^24 ranks"));
  EXPECT_THAT(error_text<ConfigError>([] { require_valid({.nodes = 1, .devices_per_node = -1}); }),
              HasSubstr("devices_per_node is -1"));
}

}  // namespace
}  // namespace sextant
