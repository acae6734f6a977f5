#include "tools/used_resources.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(UsedResources, AreThoseThatTasksOccupyWhateverTheirQueue) {
  TaskGraph graph;
  graph.tasks.push_back({.uses = {Resource::kInter}, .queue = Resource::kCompute});
  graph.tasks.push_back({.uses = {Resource::kCompute}, .queue = Resource::kCompute});
  graph.order[static_cast<int>(Resource::kCompute)] = {0, 1};
  EXPECT_EQ(used_resources(graph), (std::vector{Resource::kCompute, Resource::kInter}));
}

TEST(UsedResources, OfAnEmptyGraphAreNone) {
  EXPECT_TRUE(used_resources(TaskGraph{}).empty());
}

}  // namespace
}  // namespace sextant
