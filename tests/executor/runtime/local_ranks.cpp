#include "tests/executor/runtime/on_ranks.h"

namespace sextant::testing {

void on_ranks(int num_ranks, const std::function<void(Ranks&)>& body) {
  launch(Backend::kLocal, {.num_ranks = num_ranks}, [&](World& world) {
    Ranks ranks{.device = world.device(), .communicator = world.communicator()};
    body(ranks);
    return 0;
  });
}

void on_world(const std::function<void(World&)>& body) {
  const Topology topology{.nodes = 2, .devices_per_node = 2};
  launch(Backend::kLocal, {.topology = topology}, [&](World& world) {
    body(world);
    return 0;
  });
}

}  // namespace sextant::testing
