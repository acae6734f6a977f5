#include "profiler/profile.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "models/yaml_io.h"
#include "planner/layout_search.h"
#include "tests/profiler/test_network.h"

namespace sextant {
namespace {

// The loop's first half on two ranks: what the profile measures is enough to plan the network, and
// every part of the prediction rests on measurements of its own kernels.
TEST(Profile, IsEnoughToPlanItsNetwork) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    ProfileProgress last;
    const ProfileOptions options{.name = "two ranks",
                                 .networks = {tiny_network()},
                                 .sequences = {8},
                                 .micro_batches = {1, 2, 4},
                                 .quick = true,
                                 .progress = [&](const ProfileProgress& progress) {
                                   EXPECT_GE(progress.done, last.done);
                                   last = progress;
                                 }};
    const Cluster cluster = profile(world, options);
    EXPECT_EQ(last.done, last.total);
    EXPECT_GT(cluster.device.peak, FlopsPerSecond(0.0));
    EXPECT_GT(cluster.device.memory, Bytes(0.0));
    if (world.rank() != 0) return 0;
    SearchRequest request;
    request.network = tiny_network();
    request.global_batch = 4;
    request.sequence = 8;
    const PlanResult result = search_plans(request, cluster);
    EXPECT_EQ(result.status, PlanStatus::kFound);
    EXPECT_LE(result.plans.front().prediction.worst_source, CostSource::kInterpolated)
        << plan_to_yaml(result.plans.front());
    return 0;
  });
}

TEST(Profile, ReadsBackWhatItWrites) {
  const auto path = std::filesystem::temp_directory_path() / "sextant_profile_test.yaml";
  launch(Backend::kLocal, {.num_ranks = 1}, [&](World& world) {
    const Cluster cluster =
        profile(world, {.networks = {tiny_network()}, .sequences = {8}, .micro_batches = {1}, .quick = true});
    write_file_atomically(path, cluster_to_yaml(cluster));
    EXPECT_EQ(cluster_to_yaml(load_cluster(path)), cluster_to_yaml(cluster));
    return 0;
  });
  std::filesystem::remove(path);
}

TEST(ReferenceNetworks, DivideOverUpToEightRanks) {
  for (const Network& network : reference_networks()) {
    const StepShape step{network, ParallelLayout({.tp = 8, .ep = 2, .esp = 4}, {1, 8}), 1, 1, 128, 4};
    EXPECT_NO_THROW(validate(step)) << network.name;
  }
}

}  // namespace
}  // namespace sextant
