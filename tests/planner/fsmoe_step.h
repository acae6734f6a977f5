// The FSMoE paper's testbeds and a Mixtral-8x7B step on them, in its own layout: tp = esp = devices per
// node, ep = dp = nodes, one expert a node.
#pragma once

#include "models/cluster.h"
#include "models/work.h"

namespace sextant {

inline Cluster fsmoe_testbed(char name) {
  return load_cluster(std::string(SEXTANT_SOURCE_DIR) + "/configs/clusters/fsmoe_testbed_" + name + ".yaml");
}

inline StepShape fsmoe_step(char testbed, int layers) {
  const Topology topology = testbed == 'a' ? Topology{6, 8} : Topology{8, 4};
  Network network = load_network(std::string(SEXTANT_SOURCE_DIR) + "/configs/networks/mixtral_8x7b.yaml");
  network.layers = layers;
  network.num_experts = topology.nodes;
  network.capacity_factor = 1.2;
  const ParallelDegrees degrees{
      .dp = topology.nodes, .tp = topology.devices_per_node, .ep = topology.nodes, .esp = topology.devices_per_node};
  return {network, ParallelLayout(degrees, topology), 1, 1, testbed == 'a' ? 1024 : 256, 4};
}

}  // namespace sextant
