#include "executor/runtime/local/local_backend.h"

#include <atomic>
#include <mutex>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

TEST(LaunchLocal, RunsEveryRankOnceAndReturnsTheLargestCode) {
  std::mutex mutex;
  std::set<int> ranks;
  const int code = launch_local({.num_ranks = 3}, [&](World& world) {
    EXPECT_EQ(world.size(), 3);
    EXPECT_EQ(world.backend(), "local");
    std::scoped_lock lock(mutex);
    ranks.insert(world.rank());
    return world.rank() == 1 ? 3 : 0;
  });
  EXPECT_EQ(code, 3);
  EXPECT_EQ(ranks, (std::set<int>{0, 1, 2}));
}

TEST(LaunchLocal, IsOneNodeUnlessToldOtherwise) {
  launch_local({.num_ranks = 4}, [](World& world) {
    EXPECT_EQ(world.topology(), (Topology{.nodes = 1, .devices_per_node = 4}));
    return 0;
  });
  launch_local({.topology = Topology{.nodes = 2, .devices_per_node = 1}}, [](World& world) {
    EXPECT_EQ(world.size(), 2);
    EXPECT_EQ(world.topology(), (Topology{.nodes = 2, .devices_per_node = 1}));
    return 0;
  });
}

TEST(LaunchLocal, RanksThatDoNotFitTheTopologyAreBadInput) {
  const auto body = [](World&) { return 0; };
  EXPECT_THROW(launch_local({.num_ranks = 3, .topology = Topology{.nodes = 2, .devices_per_node = 2}}, body),
               ConfigError);
  EXPECT_THROW(launch_local({.num_ranks = 0}, body), ConfigError);
}

TEST(LaunchLocal, AnErrorOnOneRankReleasesTheOthersAndKeepsItsClass) {
  std::atomic<int> released = 0;
  try {
    launch_local({.num_ranks = 4}, [&](World& world) {
      if (world.rank() == 2) throw ConfigError("no such file");
      const auto stream = world.device().make_stream("test");
      world.communicator().barrier(*stream);
      try {
        stream->synchronize();
      } catch (const BackendError& error) {
        EXPECT_THAT(error.what(), StartsWith(fmt::format("rank {}: barrier over ranks 0 1 2 3", world.rank())));
        EXPECT_THAT(error.what(), HasSubstr("rank 2 has failed: no such file"));
        ++released;
        throw;
      }
      return 0;
    });
    FAIL();
  } catch (const ConfigError& error) {
    EXPECT_STREQ(error.what(), "no such file");
  }
  EXPECT_EQ(released, 3);
}

TEST(LaunchLocal, AnErrorReleasesHostSideGathersAndLaterSplits) {
  EXPECT_THROW(launch_local({.num_ranks = 2},
                            [](World& world) {
                              if (world.rank() == 1) throw ModelError("x");
                              static_cast<void>(world.communicator().split(0));
                              return 0;
                            }),
               ModelError);
}

TEST(LaunchLocal, AHostErrorOvertakingItsOwnCollectiveDoesNotHang) {
  EXPECT_THROW(launch_local({.num_ranks = 2},
                            [](World& world) {
                              const auto stream = world.device().make_stream("test");
                              if (world.rank() == 1) {
                                world.communicator().barrier(*stream);  // rank 0 never comes
                                throw ConfigError("host");
                              }
                              static_cast<void>(world.communicator().gather_text(""));
                              return 0;
                            }),
               ConfigError);
}

TEST(LaunchLocal, ARankThatLeavesEarlyReleasesTheOthers) {
  try {
    launch_local({.num_ranks = 2}, [](World& world) {
      if (world.rank() == 0) static_cast<void>(world.communicator().gather_text(""));
      return 0;
    });
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_STREQ(error.what(), "rank 0: gather_text over ranks 0 1: given up: rank 1 has left the job");
  }
}

TEST(LaunchLocal, AKernelErrorSurfacesOnItsRankAndEndsTheOthers) {
  try {
    launch_local({.num_ranks = 3}, [](World& world) {
      const auto stream = world.device().make_stream("test");
      if (world.rank() == 1) stream->enqueue([] { throw ModelError("kernel"); });
      world.communicator().barrier(*stream);
      stream->synchronize();
      return 0;
    });
    FAIL();
  } catch (const ModelError& error) {
    EXPECT_STREQ(error.what(), "kernel");
  }
}

TEST(LaunchLocal, DifferentCollectivesAreNamed) {
  try {
    launch_local({.num_ranks = 3}, [](World& world) {
      const auto stream = world.device().make_stream("test");
      std::vector<float> data(8);
      const std::size_t count = world.rank() == 2 ? 8 : 4;
      world.communicator().all_reduce(*stream, data.data(), count, DataType::kFloat32);
      stream->synchronize();
      return 0;
    });
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_THAT(error.what(), HasSubstr("all_reduce over ranks 0 1 2: rank 2 issued all_reduce of 8 4-byte elements "
                                        "where rank 0 issued all_reduce of 4 4-byte elements"));
  }
}

TEST(LaunchLocal, PatienceEndsACollectiveThatOthersNeverEnter) {
  try {
    launch_local({.num_ranks = 2, .patience = Seconds(0.05)}, [](World& world) {
      const auto stream = world.device().make_stream("test");
      std::vector<double> data(4);
      if (world.rank() == 0) world.communicator().all_reduce(*stream, data.data(), 4, DataType::kFloat64);
      stream->synchronize();
      static_cast<void>(world.communicator().gather_text(""));
      return 0;
    });
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_THAT(error.what(), HasSubstr("given up: only 1 of 2 ranks came within 0.05 s"));
  }
}

}  // namespace
}  // namespace sextant
