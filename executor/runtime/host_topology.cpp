#include "executor/runtime/host_topology.h"

#include <algorithm>

#include "models/error.h"

namespace sextant {
namespace {

struct Node {
  std::string host;
  int ranks = 0;
};

std::vector<Node> runs_of_equal_hosts(const std::vector<std::string>& hosts) {
  std::vector<Node> nodes;
  for (const std::string& host : hosts) {
    if (nodes.empty() || nodes.back().host != host) nodes.push_back({.host = host});
    ++nodes.back().ranks;
  }
  return nodes;
}

}  // namespace

Topology topology_from_hosts(const std::vector<std::string>& hosts) {
  SEXTANT_CHECK(!hosts.empty(), "no ranks");
  const std::vector<Node> nodes = runs_of_equal_hosts(hosts);
  for (std::size_t i = 1; i < nodes.size(); ++i) {
    const Node& node = nodes[i];
    if (std::any_of(nodes.begin(), nodes.begin() + static_cast<std::ptrdiff_t>(i),
                    [&](const Node& earlier) { return earlier.host == node.host; })) {
      throw BackendError(
          fmt::format("topology: the ranks of host {} are not consecutive (mpirun --map-by slot)", node.host));
    }
    if (node.ranks != nodes[0].ranks) {
      throw BackendError(
          fmt::format("topology: host {} runs {} ranks and host {} runs {}; every node needs the same number",
                      nodes[0].host, nodes[0].ranks, node.host, node.ranks));
    }
  }
  return Topology{.nodes = static_cast<int>(nodes.size()), .devices_per_node = nodes[0].ranks};
}

}  // namespace sextant
