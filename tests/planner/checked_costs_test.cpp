#include "planner/checked_costs.h"

#include <limits>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "planner/gradient_partition_problem.h"
#include "planner/order_search.h"
#include "planner/schedule.h"
#include "planner/schedule_planner.h"
#include "planner/simulator.h"
#include "tests/fakes/fake_cost_model.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

constexpr double kInfinite = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const CollectiveWork kOfTwo{.op = Collective::kAllGather, .group = {.ranks_per_node = 2}};

FakeCostModel constant(double kernel_s, double collective_s) {
  return FakeCostModel([kernel_s](const KernelWork&) { return Seconds(kernel_s); },
                       [collective_s](const CollectiveWork&) { return Seconds(collective_s); });
}

template <typename Call>
std::string refusal(const Call& call) {
  try {
    call();
  } catch (const ModelError& error) {
    return error.what();
  }
  return "none";
}

TEST(CheckedCostModel, PassesCostsOn) {
  FakeCostModel costs = constant(1.0, 2.0);
  costs.set_launch_latency(Seconds(0.5));
  costs.set_slowdown([](Resource, Resource) { return 3.0; });
  costs.set_delay([](Resource, Resource) { return Seconds(4.0); });
  costs.set_compute_share(0.25);
  const CheckedCostModel checked(costs);
  EXPECT_EQ(checked.kernel({}).time, Seconds(1.0));
  EXPECT_EQ(checked.collective(kOfTwo).time, Seconds(2.0));
  EXPECT_EQ(checked.collective(kOfTwo).compute_share, 0.25);
  EXPECT_EQ(checked.launch_latency(), Seconds(0.5));
  EXPECT_EQ(checked.slowdown(Resource::kCompute, Resource::kIntra), 3.0);
  EXPECT_EQ(checked.delay(Resource::kCompute, Resource::kIntra), Seconds(4.0));
}

TEST(CheckedCostModel, NamesTheWorkWhoseCostIsNone) {
  for (const double bad : {kInfinite, -kInfinite, kNan, -1.0, 1e101}) {
    const FakeCostModel costs = constant(bad, bad);
    const CheckedCostModel checked(costs);
    const KernelWork expert{.op = Operator::kExpert, .pass = Pass::kBackward};
    EXPECT_THAT(refusal([&] { static_cast<void>(checked.kernel(expert)); }), HasSubstr("expert backward takes")) << bad;
    EXPECT_THAT(refusal([&] { static_cast<void>(checked.collective(kOfTwo)); }), HasSubstr("all_gather takes")) << bad;
  }
}

TEST(CheckedCostModel, RefusesContentionThatIsNone) {
  FakeCostModel costs = constant(1.0, 1.0);
  const CheckedCostModel checked(costs);
  costs.set_slowdown([](Resource, Resource) { return 0.5; });
  EXPECT_THAT(refusal([&] { static_cast<void>(checked.slowdown(Resource::kIntra, Resource::kInter)); }),
              HasSubstr("intra beside inter is slowed 0.5 times"));
  costs.set_delay([](Resource, Resource) { return Seconds(kNan); });
  EXPECT_THAT(refusal([&] { static_cast<void>(checked.delay(Resource::kIntra, Resource::kInter)); }),
              HasSubstr("intra beside inter takes nan s"));
  costs.set_launch_latency(Seconds(kInfinite));
  EXPECT_THAT(refusal([&] { static_cast<void>(checked.launch_latency()); }), HasSubstr("a launch takes inf s"));
  costs.set_compute_share(kNan);
  EXPECT_THAT(refusal([&] { static_cast<void>(checked.collective(kOfTwo)); }), HasSubstr("share of nan"));
}

// Every door into planning with costs: infinite ones ended the process in the exact partition.
TEST(Planning, RefusesCostsThatAreNoNumbers) {
  const StepShape step = small_step(2);
  for (const double bad : {kInfinite, kNan}) {
    for (const FakeCostModel& costs : {constant(bad, 1.0), constant(1.0, bad)}) {
      const Schedule simple{Policy::kSequential,
                            std::vector<LayerDegrees>(static_cast<std::size_t>(step.network.layers)),
                            whole_unit_slices(step, Policy::kSequential)};
      EXPECT_THROW(plan_schedule(step, costs, Policy::kFsmoe, {}), ModelError);
      EXPECT_THROW(search_order(step, costs, {}), ModelError);
      EXPECT_THROW(partition_problem(step, costs, Policy::kFsmoe, {1, 2}), ModelError);
      EXPECT_THROW(simulate(build_step_graph(step, simple), costs), ModelError);
    }
  }
}

}  // namespace
}  // namespace sextant
