#include "executor/runtime/host_topology.h"

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

TEST(TopologyFromHosts, ConsecutiveEqualNamesAreANode) {
  EXPECT_EQ(topology_from_hosts({"a"}), (Topology{.nodes = 1, .devices_per_node = 1}));
  EXPECT_EQ(topology_from_hosts({"a", "a", "b", "b", "c", "c"}), (Topology{.nodes = 3, .devices_per_node = 2}));
  EXPECT_EQ(topology_from_hosts({"a", "b", "c"}), (Topology{.nodes = 3, .devices_per_node = 1}));
}

TEST(TopologyFromHosts, UnevenNodesAreAnError) {
  EXPECT_THROW(static_cast<void>(topology_from_hosts({"a", "a", "b"})), BackendError);
}

TEST(TopologyFromHosts, AHostThatComesBackIsAnError) {
  EXPECT_THROW(static_cast<void>(topology_from_hosts({"a", "b", "a", "b"})), BackendError);
}

}  // namespace
}  // namespace sextant
