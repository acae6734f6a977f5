#include "profiler/collective_benchmark.h"

#include <mutex>
#include <set>

#include <gtest/gtest.h>

namespace sextant {
namespace {

CollectiveBenchmarkOptions tiny() {
  return {.buffers = {Bytes(1024.0), Bytes(65536.0)},
          .repeat = {.repeats = 2, .block_time = Seconds(0.0), .max_calls = 1}};
}

// 2 nodes x 2 ranks have groups inside a node, across nodes and over all: three shapes, four collectives.
TEST(MeasureCollectives, CoversEveryGroupShapeOfTwoNodes) {
  std::mutex mutex;
  int announced = 0;
  launch(Backend::kLocal, {.num_ranks = 4, .topology = Topology{2, 2}}, [&](World& world) {
    const auto series = measure_collectives(world, tiny(), [&](const std::string&) {
      const std::lock_guard lock(mutex);
      ++announced;
    });
    std::set<std::pair<int, GroupShape>> seen;
    for (const CollectiveSeries& one : series) {
      seen.insert({static_cast<int>(one.op), one.group});
      EXPECT_EQ(one.points.size(), 2U);
      for (const CollectivePoint& point : one.points) EXPECT_GT(point.time.median, Seconds(0.0));
    }
    for (int op = 0; op < kNumCollectives; ++op) {
      for (const GroupShape shape : {GroupShape{1, 2}, GroupShape{2, 1}, GroupShape{2, 2}}) {
        EXPECT_TRUE(seen.contains({op, shape})) << op << " " << shape.nodes << "x" << shape.ranks_per_node;
      }
    }
    EXPECT_EQ(seen.size(), 12U);
    return 0;
  });
  EXPECT_EQ(announced, 4 * count_collective_measurements({2, 2}, tiny()));
}

TEST(MeasureCollectives, OneRankHasNone) {
  EXPECT_EQ(count_collective_measurements({1, 1}, tiny()), 0);
}

}  // namespace
}  // namespace sextant
