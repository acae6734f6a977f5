#include "tools/published/catalogue.h"

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

const Catalogue& shipped() {
  static const Catalogue catalogue(SEXTANT_SOURCE_DIR "/configs");
  return catalogue;
}

TEST(NormalizedName, KeepsLettersAndDigits) {
  EXPECT_EQ(normalized_name("Mixtral-8x7B"), "mixtral8x7b");
  EXPECT_EQ(normalized_name("LLAMA3_70B"), normalized_name("Llama3 70B"));
  EXPECT_NE(normalized_name("Mixtral-8x7B"), normalized_name("Mixtral-8x22B"));
}

TEST(Catalogue, FindsNetworksAndClustersByNameAndAlias) {
  ASSERT_NE(shipped().network("mixtral 8x22b"), nullptr);
  EXPECT_EQ(shipped().network("mixtral 8x22b")->layers, 56);
  ASSERT_NE(shipped().cluster("H100"), nullptr);
  EXPECT_EQ(shipped().cluster("H100")->topology.devices_per_node, 8);
  EXPECT_EQ(shipped().network("no such network"), nullptr);
}

TEST(Catalogue, TakesOnlyClustersWithAReference) {
  EXPECT_EQ(shipped().cluster("fsmoe-testbed-a"), nullptr);
}

TEST(Catalogue, EveryReferenceNamesItsSource) {
  for (const char* device : {"A100", "H100", "H800", "H200", "B200", "B300", "GB200", "GB300"}) {
    const Cluster* cluster = shipped().cluster(device);
    ASSERT_NE(cluster, nullptr) << device;
    EXPECT_FALSE(cluster->reference->source.empty()) << device;
  }
}

TEST(Catalogue, AMissingFolderIsTold) {
  EXPECT_THROW(Catalogue("/no/such/folder"), ConfigError);
}

}  // namespace
}  // namespace sextant
