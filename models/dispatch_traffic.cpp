#include "models/dispatch_traffic.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"

namespace sextant {
namespace {

bool divides(double divisor, double number) {
  return std::fmod(number, divisor) == 0.0;
}

// C(n, k), 0 outside of the triangle.
double choices_of(int n, int k) {
  if (k < 0 || k > n) return 0.0;
  double product = 1.0;
  for (int i = 1; i <= k; ++i) product *= static_cast<double>(n - k + i) / i;
  return product;
}

// That none of the copies lies on a place with `held` of the groups.
double nowhere_there(int held, int copies, const ExpertGroups& groups) {
  double probability = 0.0;
  for (int chosen = 0; chosen <= std::min(held, groups.chosen); ++chosen) {
    const double ways = choices_of(held, chosen) * choices_of(groups.count - held, groups.chosen - chosen);
    probability += ways / choices_of(groups.count, groups.chosen) *
                   std::pow(1.0 - static_cast<double>(chosen) / groups.chosen, copies);
  }
  return probability;
}

}  // namespace

double distinct_places(double places, int copies, const std::optional<ExpertGroups>& groups) {
  if (groups && divides(places, groups->count)) {
    return places * (1.0 - nowhere_there(static_cast<int>(groups->count / places), copies, *groups));
  }
  double reached = places;
  if (groups && divides(groups->count, places)) reached *= static_cast<double>(groups->chosen) / groups->count;
  return reached * (1.0 - std::pow(1.0 - 1.0 / reached, copies));
}

DispatchTraffic dispatch_traffic(Dispatch dispatch, Bytes buffer, const DispatchGroup& group) {
  SEXTANT_CHECK(group.ranks_of_node >= 1 && group.ranks >= group.ranks_of_node && group.copies >= 1,
                "{} ranks, {} a node, {} copies", group.ranks, group.ranks_of_node, group.copies);
  const double ranks = group.ranks, inside = group.ranks_of_node;
  const double nodes = ranks / inside;
  const int other_nodes = (group.ranks - 1) / group.ranks_of_node;
  const double to_neighbours = (inside - 1.0) / inside;
  const double to_nodes = (nodes - 1.0) / nodes;
  const auto distinct_share = [&](double places) {
    return distinct_places(places, group.copies, group.expert_groups) / group.copies;
  };
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
      return {.intra = to_neighbours * distinct_share(ranks) * buffer,
              .inter = to_nodes * distinct_share(nodes) * buffer,
              .messages = other_nodes};
  }
  SEXTANT_CHECK(false, "dispatch {}", static_cast<int>(dispatch));
}

}  // namespace sextant
