// A search small enough for a unit test: Mixtral 8x7B on two nodes of eight devices.
#pragma once

#include <string>

#include "models/network.h"
#include "planner/setup_search.h"

namespace sextant {

inline SetupRequest two_node_request() {
  SetupRequest request;
  request.network = load_network(std::string(SEXTANT_SOURCE_DIR) + "/configs/networks/mixtral_8x7b.yaml");
  request.topology = {.nodes = 2, .devices_per_node = 8};
  request.global_batch = 64;
  request.sequence = 4096;
  return request;
}

}  // namespace sextant
