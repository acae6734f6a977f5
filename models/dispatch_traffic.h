// What one rank sends in one all-to-all of the experts, by tier of links and algorithm.
//
// Formulas: models/README.md, section 8.
#pragma once

#include <optional>

#include "models/network.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

struct DispatchGroup {
  int ranks = 1;                                // of the group
  int ranks_of_node = 1;                        // of them in one node; the last node may have fewer
  int copies = 1;                               // of a token: the experts that it chose, spread evenly
  std::optional<ExpertGroups> expert_groups{};  // over the ranks in order; the copies lie in some of these alone
};

// Places (nodes or ranks) of n that the k copies of a token lie on, in the mean. Copies are spread evenly and
// independently:
//   everywhere                          n (1 - (1 - 1/n)^k)
//   over T of G groups, n = G b         T b (1 - (1 - 1/(T b))^k)               a group has b places to itself
//   the same,           G = n a         n (1 - sum_j P(j) (1 - j/T)^k)          a place has a groups, j of them chosen
// with P(j) = C(a, j) C(G - a, T - j) / C(G, T), every choice of groups as likely as another. Where neither of G and n
// divides the other, as everywhere, which is more. REQUIRES: n >= 1, k >= 1; 1 <= chosen <= count.
[[nodiscard]] double distinct_places(double places, int copies, const std::optional<ExpertGroups>& groups = {});

struct DispatchTraffic {
  Bytes intra;                            // over the links inside the node
  Bytes inter;                            // over the rank's own port to other nodes
  int messages = 0;                       // to other nodes, one after another on that port
  bool one_tier_after_the_other = false;  // otherwise both tiers move at once
};

// `buffer` holds all copies of a rank's tokens, of the n ranks g are in its node, N = n / g:
//   flat          intra  (g - 1) / n                          inter  (n - g) / n          n - g messages
//   1dh           intra  2 (g - 1), into and out of a rank    inter  g (N - 1) / N        N - 1
//   2dh           intra  (g - 1) / g                          inter  (N - 1) / N          N - 1
//   deduplicated  intra  (g - 1) / g  distinct_places(n) / k
//                 inter  (N - 1) / N  distinct_places(N) / k                              N - 1
// times the buffer. De-duplicated, a token goes once to each node and each rank that its k experts lie on.
// Of 1dh the rank that gathers for its node, which has most. Sources: HetuMoE (arXiv 2203.14685), section 3.2; Tutel
// (arXiv 2206.03382), section 3.4; DeepEP. REQUIRES: 1 <= ranks_of_node <= ranks, copies >= 1.
[[nodiscard]] DispatchTraffic dispatch_traffic(Dispatch dispatch, Bytes buffer, const DispatchGroup& group);

}  // namespace sextant
