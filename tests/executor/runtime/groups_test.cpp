#include "executor/runtime/groups.h"

#include <gtest/gtest.h>

#include "tests/executor/runtime/on_ranks.h"

namespace sextant::testing {
namespace {

constexpr Topology kTwoByTwo{.nodes = 2, .devices_per_node = 2};

std::vector<std::string> as_text(const std::vector<int>& ranks) {
  std::vector<std::string> texts;
  for (const int rank : ranks) texts.push_back(std::to_string(rank));
  return texts;
}

TEST(LayoutGroups, HoldTheRanksOfTheLayoutInOrder) {
  on_world([](World& world) {
    const ParallelLayout layout({.dp = 2, .tp = 2, .ep = 2, .esp = 2}, kTwoByTwo);
    LayoutGroups groups(world, layout);
    for (int kind = 0; kind < kNumGroupKinds; ++kind) {
      for (int queue = 0; queue < kNumResources; ++queue) {
        Communicator& group = groups.get(static_cast<GroupKind>(kind), static_cast<Resource>(queue));
        EXPECT_EQ(group.gather_text(std::to_string(world.rank())),
                  as_text(layout.group_ranks(static_cast<GroupKind>(kind), world.rank())))
            << to_text(static_cast<GroupKind>(kind));
      }
    }
  });
}

TEST(LayoutGroups, QueuesDoNotShareACommunicator) {
  on_world([](World& world) {
    LayoutGroups groups(world, ParallelLayout({.dp = 4, .ep = 4}, kTwoByTwo));
    EXPECT_NE(&groups.get(GroupKind::kEp, Resource::kInter), &groups.get(GroupKind::kEp, Resource::kIntra));
    // Opposite orders of issue on two queues: one communicator for both would dead-lock or mix them up.
    const auto inter = world.device().make_stream("inter");
    const auto intra = world.device().make_stream("intra");
    Buffer<float> a(world.device(), std::vector<float>(8, 1.0F));
    Buffer<float> b(world.device(), std::vector<float>(8, 2.0F));
    const auto reduce_a = [&] {
      groups.get(GroupKind::kEp, Resource::kInter).all_reduce(*inter, a.data(), 8, DataType::kFloat32);
    };
    const auto reduce_b = [&] {
      groups.get(GroupKind::kEp, Resource::kIntra).all_reduce(*intra, b.data(), 8, DataType::kFloat32);
    };
    if (world.rank() % 2 == 0) reduce_a();
    reduce_b();
    if (world.rank() % 2 == 1) reduce_a();
    inter->synchronize();
    intra->synchronize();
    EXPECT_EQ(a.values(), std::vector<float>(8, 4.0F));
    EXPECT_EQ(b.values(), std::vector<float>(8, 8.0F));
  });
}

}  // namespace
}  // namespace sextant::testing
