// The layout search beside the whole space, on jobs too long for unit tests.
#include <cstdio>
#include <string>

#include <gtest/gtest.h>

#include "tests/planner/setup_case.h"

namespace sextant {
namespace {

TEST(SetupSpace, SearchFindsWhatEnumerationFinds) {
  for (const SetupCase& c :
       {SetupCase{"mixtral_8x7b", "dgx_h100", {8, 8}}, SetupCase{"qwen3_30b_a3b", "dgx_a100", {4, 8}},
        SetupCase{"deepseek_v2", "dgx_b200", {8, 8}}, SetupCase{"gpt_oss_20b", "gb200_nvl72", {1, 64}},
        SetupCase{"mixtral_8x22b", "dgx_h100", {6, 8}}}) {
    expect_search_finds_what_enumeration_finds(c);
  }
}

// Jobs whose fastest setup in chunks has different numbers of them.
TEST(SetupSpace, NumbersOfChunksAreTheFastestOfAll) {
  for (const SetupCase& c :
       {SetupCase{"mixtral_8x7b", "dgx_h100", {2, 8}}, SetupCase{"qwen3_30b_a3b", "dgx_a100", {4, 8}},
        SetupCase{"deepseek_v2", "dgx_b200", {8, 8}}, SetupCase{"mixtral_8x22b", "dgx_h100", {6, 8}}}) {
    SCOPED_TRACE(std::string(c.network) + " on " + c.cluster);
    SetupRequest request = request_for(c.network, c.topology, 192);
    request.overlap = Overlap::kChunks;
    const Cluster cluster = cluster_of(c.cluster);
    const FoundSetup best = search_setups(request, cluster).setups.at(0);
    FoundSetup fastest = best;
    for (const int forward : {1, 2, 4, 8}) {
      for (const int backward : {1, 2, 4, 8}) {
        request.forward_degree = forward;
        request.backward_degree = backward;
        for (const FoundSetup& found : search_setups(request, cluster).setups) {
          EXPECT_EQ(found.setup.forward_degree, forward);
          EXPECT_EQ(found.setup.backward_degree, backward);
          if (found.estimate.total() < fastest.estimate.total()) fastest = found;
        }
      }
    }
    EXPECT_EQ(fastest.setup, best.setup) << to_text(fastest.setup);
    std::printf("%s: %s\n", c.network, to_text(best.setup).c_str());
  }
}

}  // namespace
}  // namespace sextant
