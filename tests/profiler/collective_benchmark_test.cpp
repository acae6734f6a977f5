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
    CollectiveBenchmark benchmark(world.topology(), tiny());
    for (int round = 0; round < 2; ++round) {
      benchmark.run_round(world, [&](const std::string&) {
        const std::lock_guard lock(mutex);
        ++announced;
      });
    }
    const auto series = benchmark.series();
    std::set<std::pair<int, GroupShape>> seen;
    for (const CollectiveSeries& one : series) {
      seen.insert({static_cast<int>(one.op), one.group});
      EXPECT_EQ(one.points.size(), 2U);
      for (const CollectivePoint& point : one.points) {
        EXPECT_GT(point.time.median, Seconds(0.0));
        EXPECT_EQ(point.time.repeats, 2 * tiny().repeat.repeats);
      }
    }
    for (int op = 0; op < kNumCollectives; ++op) {
      for (const GroupShape shape : {GroupShape{1, 2}, GroupShape{2, 1}, GroupShape{2, 2}}) {
        EXPECT_TRUE(seen.contains({op, shape})) << op << " " << shape.nodes << "x" << shape.ranks_per_node;
      }
    }
    EXPECT_EQ(seen.size(), 12U);
    return 0;
  });
  EXPECT_EQ(announced, 2 * 4 * CollectiveBenchmark({2, 2}, tiny()).num_measurements());
}

TEST(MeasureCollectives, OneRankHasNone) {
  EXPECT_EQ(CollectiveBenchmark({1, 1}, tiny()).num_measurements(), 0);
}

}  // namespace
}  // namespace sextant
