// Jobs of at most 64 devices, searched and priced in whole.
#pragma once

#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "planner/setup_search.h"

namespace sextant {

inline const std::string kConfigs = SEXTANT_SOURCE_DIR "/configs/";

inline SetupRequest request_for(const std::string& network, const Topology& topology, std::int64_t batch) {
  SetupRequest request;
  request.network = load_network(kConfigs + "networks/" + network + ".yaml");
  request.topology = topology;
  request.global_batch = batch;
  request.sequence = 4096;
  return request;
}

inline Cluster cluster_of(const std::string& name) {
  return load_cluster(kConfigs + "clusters/" + name + ".yaml");
}

struct SetupCase {
  const char* network;
  const char* cluster;
  Topology topology;
};

// Branch and bound loses nothing: the same best setups, to the last bit, as pricing the whole space.
inline void expect_search_finds_what_enumeration_finds(const SetupCase& c) {
  SCOPED_TRACE(std::string(c.network) + " on " + c.cluster);
  SetupRequest request = request_for(c.network, c.topology, 192);
  request.top = 5;
  const Cluster cluster = cluster_of(c.cluster);
  const SetupResult fast = search_setups(request, cluster);
  const SetupResult whole = search_setups_by_enumeration(request, cluster);
  ASSERT_FALSE(whole.setups.empty());
  ASSERT_EQ(fast.setups.size(), whole.setups.size());
  for (std::size_t i = 0; i < fast.setups.size(); ++i) {
    EXPECT_EQ(fast.setups[i].setup, whole.setups[i].setup) << to_text(whole.setups[i].setup);
  }
  EXPECT_EQ(fast.summary.setups, whole.summary.setups);
  EXPECT_EQ(fast.lower_bound(), whole.setups.front().estimate.total());  // nothing pruned is faster
  EXPECT_EQ(fast.summary.evaluated + fast.summary.pruned, fast.summary.setups);
  if (fast.summary.pruned > 0) {
    EXPECT_GE(fast.summary.pruned_bound, fast.setups.back().estimate.total() * (1.0 - 1e-12));
  }
  std::printf("%s: %lld setups, %.0f %% pruned\n", c.network, static_cast<long long>(fast.summary.setups),
              100.0 * static_cast<double>(fast.summary.pruned) / static_cast<double>(fast.summary.setups));
}

}  // namespace sextant
