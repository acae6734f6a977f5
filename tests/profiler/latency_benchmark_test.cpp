#include "profiler/latency_benchmark.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(MeasureLaunchLatency, IsPositiveAndCommonToAllRanks) {
  Seconds seen[2];
  launch(Backend::kLocal, {.num_ranks = 2}, [&](World& world) {
    seen[world.rank()] = measure_launch_latency(world, 50, 5);
    return 0;
  });
  EXPECT_GT(seen[0], Seconds(0.0));
  EXPECT_LT(seen[0], Seconds(0.1));  // a machine that needs longer to wake a thread cannot be planned for
  EXPECT_EQ(seen[0].value(), seen[1].value());
}

}  // namespace
}  // namespace sextant
