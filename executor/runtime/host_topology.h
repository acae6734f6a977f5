// The shape of a cluster from the names of the hosts that its ranks run on.
#pragma once

#include <string>
#include <vector>

#include "models/layout.h"

namespace sextant {

// hosts: [rank]; consecutive equal names form a node. Throws BackendError when nodes hold different
// numbers of ranks, or when a host comes back after another (ranks placed round robin).
// REQUIRES: hosts is not empty.
[[nodiscard]] Topology topology_from_hosts(const std::vector<std::string>& hosts);

}  // namespace sextant
