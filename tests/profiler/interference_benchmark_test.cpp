#include "profiler/interference_benchmark.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

RepeatOptions brief() {
  return {.repeats = 3, .block_time = Seconds(0.002), .max_calls = 4};
}

TEST(InterferenceBenchmark, OneRankHasNobodyToWaitFor) {
  launch(Backend::kLocal, {.num_ranks = 1}, [](World& world) {
    InterferenceBenchmark benchmark(world.topology(), 1.0, brief());
    benchmark.run_round(world);
    EXPECT_EQ(benchmark.synchronization(), Seconds(0.0));
    EXPECT_TRUE(benchmark.contention().empty());
    return 0;
  });
}

TEST(InterferenceBenchmark, TwoNodesGiveBothTiersBesideWorkAndEachOther) {
  launch(Backend::kLocal, {.num_ranks = 4, .topology = Topology{2, 2}}, [](World& world) {
    InterferenceBenchmark benchmark(world.topology(), 1.0, brief());
    constexpr int kRounds = 2;
    for (int round = 0; round < kRounds; ++round) benchmark.run_round(world);
    EXPECT_GE(benchmark.synchronization(), Seconds(0.0));
    using Pair = std::pair<Resource, Resource>;
    std::vector<Pair> pairs;
    for (const Contention& one : benchmark.contention()) {
      pairs.emplace_back(one.victim, one.aggressor);
      EXPECT_GE(one.factor, 1.0);
      EXPECT_GE(one.delay, Seconds(0.0));
    }
    EXPECT_EQ(pairs, (std::vector<Pair>{{Resource::kIntra, Resource::kCompute},
                                        {Resource::kInter, Resource::kCompute},
                                        {Resource::kIntra, Resource::kInter},
                                        {Resource::kInter, Resource::kIntra}}));
    return 0;
  });
}

TEST(InterferenceBenchmark, OneNodeHasOneTier) {
  launch(Backend::kLocal, {.num_ranks = 2, .topology = Topology{1, 2}}, [](World& world) {
    InterferenceBenchmark benchmark(world.topology(), 2.0, brief());
    benchmark.run_round(world);
    const std::vector<Contention> contention = benchmark.contention();
    if (contention.size() != 1U) {
      ADD_FAILURE() << contention.size() << " pairs";
      return 1;
    }
    EXPECT_EQ(contention.front().victim, Resource::kIntra);
    EXPECT_EQ(contention.front().aggressor, Resource::kCompute);
    return 0;
  });
}

}  // namespace
}  // namespace sextant
