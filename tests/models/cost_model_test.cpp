#include "models/cost_model.h"

#include <set>
#include <string>

#include <gtest/gtest.h>

#include "tests/fakes/fake_cost_model.h"

namespace sextant {
namespace {

TEST(CostModelCost, SendsKernelsAndCollectivesToTheirOwnFunction) {
  const FakeCostModel costs([](const KernelWork&) { return Seconds(1.0); },
                            [](const CollectiveWork&) { return Seconds(2.0); });
  EXPECT_EQ(costs.cost(KernelWork{}).time, Seconds(1.0));
  EXPECT_EQ(costs.cost(CollectiveWork{.group = {.nodes = 2}}).time, Seconds(2.0));
}

TEST(CostModel, HasNoLatencyAndNoContentionUnlessSaid) {
  class Silent : public CostModel {
    CostEstimate kernel(const KernelWork&) const override { return {}; }
    CostEstimate collective(const CollectiveWork&) const override { return {}; }
  };
  EXPECT_EQ(Silent().launch_latency(), Seconds(0.0));
  EXPECT_EQ(Silent().slowdown(Resource::kCompute, Resource::kIntra), 1.0);
  EXPECT_EQ(Silent().delay(Resource::kIntra, Resource::kCompute), Seconds(0.0));
}

TEST(UncontendedCostModel, IsTheOtherModelWithoutSlowdowns) {
  FakeCostModel costs([](const KernelWork&) { return Seconds(1.0); },
                      [](const CollectiveWork&) { return Seconds(2.0); });
  costs.set_launch_latency(Seconds(0.5));
  costs.set_slowdown([](Resource, Resource) { return 3.0; });
  costs.set_delay([](Resource, Resource) { return Seconds(4.0); });
  costs.set_compute_share(0.5);
  const UncontendedCostModel uncontended(costs);
  EXPECT_EQ(uncontended.slowdown(Resource::kCompute, Resource::kIntra), 1.0);
  EXPECT_EQ(uncontended.delay(Resource::kCompute, Resource::kIntra), Seconds(0.0));
  EXPECT_EQ(uncontended.kernel({}).time, Seconds(1.0));
  EXPECT_EQ(uncontended.collective({.group = {.nodes = 2}}).time, Seconds(2.0));
  EXPECT_EQ(costs.collective({.group = {.nodes = 2}}).compute_share, 0.5);
  EXPECT_EQ(uncontended.collective({.group = {.nodes = 2}}).compute_share, 0.0);
  EXPECT_EQ(uncontended.launch_latency(), Seconds(0.5));
}

TEST(FakeCostModel, AnswersWhatItWasSetTo) {
  FakeCostModel costs([](const KernelWork& work) { return Seconds(static_cast<double>(work.shape.rows)); },
                      [](const CollectiveWork&) { return Seconds(2.0); });
  costs.set_launch_latency(Seconds(0.5));
  costs.set_slowdown([](Resource victim, Resource) { return victim == Resource::kCompute ? 1.5 : 1.0; });
  costs.set_spread(0.25);
  EXPECT_EQ(costs.kernel({.shape = {.rows = 4}}).high, Seconds(5.0));
  EXPECT_EQ(costs.collective({.group = {}}).time, Seconds(0.0)) << "one rank";
  EXPECT_EQ(costs.launch_latency(), Seconds(0.5));
  EXPECT_EQ(costs.slowdown(Resource::kCompute, Resource::kInter), 1.5);
}

TEST(ToText, NamesEverySourceAndResourceDifferently) {
  std::set<std::string> names;
  for (int i = 0; i < 4; ++i) {
    names.insert(to_text(static_cast<CostSource>(i)));
    names.insert(to_text(static_cast<Resource>(i)));
  }
  EXPECT_EQ(names.size(), 8U);
}

}  // namespace
}  // namespace sextant
