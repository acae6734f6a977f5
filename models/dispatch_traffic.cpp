#include "models/dispatch_traffic.h"

#include <cmath>

#include "models/error.h"

namespace sextant {
namespace {

// Of `copies` spread evenly over `places`, the share that is left when each place gets one at most.
double distinct_share(double places, int copies) {
  return places * (1.0 - std::pow(1.0 - 1.0 / places, copies)) / copies;
}

}  // namespace

DispatchTraffic dispatch_traffic(Dispatch dispatch, Bytes buffer, const DispatchGroup& group) {
  SEXTANT_CHECK(group.ranks_of_node >= 1 && group.ranks >= group.ranks_of_node && group.copies >= 1,
                "{} ranks, {} a node, {} copies", group.ranks, group.ranks_of_node, group.copies);
  const double ranks = group.ranks, inside = group.ranks_of_node;
  const double nodes = ranks / inside;
  const int other_nodes = (group.ranks - 1) / group.ranks_of_node;
  const double to_neighbours = (inside - 1.0) / inside;
  const double to_nodes = (nodes - 1.0) / nodes;
  switch (dispatch) {
    case Dispatch::kFlat:
      return {.intra = (inside - 1.0) / ranks * buffer,
              .inter = to_nodes * buffer,
              .messages = group.ranks - group.ranks_of_node};
    case Dispatch::kHierarchical1D:
      return {.intra = 2.0 * (inside - 1.0) * buffer,
              .inter = inside * to_nodes * buffer,
              .messages = other_nodes,
              .one_tier_after_the_other = true};
    case Dispatch::kHierarchical2D:
      return {.intra = to_neighbours * buffer,
              .inter = to_nodes * buffer,
              .messages = other_nodes,
              .one_tier_after_the_other = true};
    case Dispatch::kDeduplicated:
      return {.intra = to_neighbours * distinct_share(ranks, group.copies) * buffer,
              .inter = to_nodes * distinct_share(nodes, group.copies) * buffer,
              .messages = other_nodes};
  }
  SEXTANT_CHECK(false, "dispatch {}", static_cast<int>(dispatch));
}

}  // namespace sextant
