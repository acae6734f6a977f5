#include "planner/schedule_planner.h"

#include <algorithm>
#include <cstdio>

#include <gtest/gtest.h>

#include "planner/gradient_partition.h"
#include "planner/simulator.h"
#include "tests/planner/fsmoe_step.h"
#include "tests/planner/random_step.h"

namespace sextant {
namespace {

Seconds simulated(const StepShape& step, const Schedule& schedule, const CostModel& costs) {
  return simulate(build_step_graph(step, schedule), costs).makespan();
}

TEST(PlanSchedule, KeepsTheBestOfAllMethodsBySimulation) {
  constexpr unsigned kSeed = 41;
  std::printf("seed %u\n", kSeed);
  std::mt19937 random(kSeed);
  std::array<int, kNumPartitionMethods> chosen{};
  for (int i = 0; i < 60; ++i) {
    const StepShape step = random_step(random, 1 + i % 4);
    FakeCostModel costs = random_costs(random);
    if (i % 2 == 0)
      costs.set_slowdown([](Resource victim, Resource aggressor) {
        return victim == Resource::kCompute && aggressor == Resource::kInter ? 1.3 : 1.1;
      });
    const Policy policy = i % 3 == 0 ? Policy::kFsmoeNoIio : Policy::kFsmoe;
    const PlannedSchedule planned =
        plan_schedule_with_report(step, costs, policy, {.max_degree = 4, .paper_step2 = true});
    ASSERT_TRUE(planned.report);
    const Seconds time = simulated(step, planned.schedule, costs);
    for (const auto& other : planned.report->step_times) {
      ASSERT_TRUE(other);
      EXPECT_LE(time, *other);
    }
    EXPECT_EQ(time, *planned.report->step_times[static_cast<std::size_t>(planned.report->chosen)]);
    EXPECT_LE(planned.report->bound.value(), planned.report->exact_time.value());
    EXPECT_LE(planned.report->exact_time.value(), planned.report->step1_time.value() * (1.0 + 1e-12));
    ++chosen[static_cast<std::size_t>(planned.report->chosen)];
  }
  for (int m = 0; m < kNumPartitionMethods; ++m) {
    std::printf("%s: %d\n", to_text(PartitionMethod(m)), chosen[static_cast<std::size_t>(m)]);
  }
}

TEST(PlanSchedule, FixedDegreesStay) {
  std::mt19937 random(42);
  const StepShape step = random_step(random, 3);
  const FakeCostModel costs = random_costs(random);
  for (const Policy policy : published_policies()) {
    const Schedule schedule = plan_schedule(step, costs, policy, {.forward_degree = 2, .backward_degree = 3});
    for (const LayerDegrees& degrees : schedule.degrees) EXPECT_EQ(degrees, (LayerDegrees{2, 3})) << to_text(policy);
  }
}

TEST(PlanSchedule, OnlyPartitioningPoliciesReport) {
  std::mt19937 random(43);
  const StepShape step = random_step(random, 2);
  const FakeCostModel costs = random_costs(random);
  for (const Policy policy : published_policies()) {
    const bool partitions = policy == Policy::kFsmoe || policy == Policy::kFsmoeNoIio;
    EXPECT_EQ(plan_schedule_with_report(step, costs, policy, {}).report.has_value(), partitions) << to_text(policy);
  }
}

TEST(PlanSchedule, SameRequestSameSchedule) {
  const StepShape step = fsmoe_step('a', 7);
  const auto costs = make_cost_model(fsmoe_testbed('a'));
  const ScheduleOptions options{.paper_step2 = true};
  EXPECT_EQ(plan_schedule(step, *costs, Policy::kFsmoe, options), plan_schedule(step, *costs, Policy::kFsmoe, options));
}

// Published lines of both testbeds, Mixtral in FSMoE's layout: what a plan prints.
TEST(PlanSchedule, ExactPartitionBeatsStep1OnTheTestbeds) {
  for (const char testbed : {'a', 'b'}) {
    const StepShape step = fsmoe_step(testbed, 7);
    const auto costs = make_cost_model(fsmoe_testbed(testbed));
    const PlannedSchedule planned = plan_schedule_with_report(step, *costs, Policy::kFsmoe, {.paper_step2 = true});
    ASSERT_TRUE(planned.report);
    std::printf("testbed %c: %s\n", testbed, to_text(*planned.report).c_str());
    EXPECT_EQ(planned.report->chosen, PartitionMethod::kExact);
    EXPECT_LT(planned.report->exact_time, planned.report->step1_time);
    EXPECT_LE(planned.report->exact_time.value(), planned.report->step2_time->value() * (1.0 + 1e-9));
    EXPECT_LT(planned.report->gap, 1e-3);
  }
}

// A reduce-scatter at half the all-reduce's time and an all-gather at the other half: what the slots hide
// gets less, what is exposed at the end gets more, but never less than the gather.
TEST(PlanSchedule, ShardedOptimizerIsAForecastOfItsOwn) {
  std::mt19937 random(44);
  const StepShape step = random_step(random, 4);
  FakeCostModel costs([](const KernelWork&) { return Seconds(1e-3); },
                      [](const CollectiveWork& work) {
                        const double passes = work.op == Collective::kAllReduce ? 2.0 : 1.0;
                        return passes * (Seconds(1e-5) + SecondsPerByte(1e-9) * work.buffer);
                      });
  const auto report = plan_schedule_with_report(step, costs, Policy::kFsmoe, {.sharded_optimizer = true}).report;
  ASSERT_TRUE(report && report->sharded_optimizer_time);
  Seconds gather;
  for (const ReductionGroup& group : reduction_groups(step, costs, Policy::kFsmoe)) {
    if (group.exists) gather += 0.5 * group.cost.time(group.total());
  }
  EXPECT_GT(*report->sharded_optimizer_time, gather);
  EXPECT_LE(*report->sharded_optimizer_time, report->exact_time + gather);
  EXPECT_FALSE(plan_schedule_with_report(step, costs, Policy::kFsmoe, {}).report->sharded_optimizer_time);
}

TEST(ScheduleReport, TextNamesTimesBoundAndMethod) {
  ScheduleReport report;
  report.exact_time = Seconds(0.0213);
  report.step1_time = Seconds(0.022);
  report.bound = Seconds(0.02);
  report.gap = 0.065;
  report.chosen = PartitionMethod::kStep1;
  EXPECT_EQ(to_text(report), "backward 21.3 ms (step 1 22 ms, bound 20 ms, gap 6.50 %), step 1");
  report.step2_time = Seconds(0.0215);
  EXPECT_EQ(to_text(report), "backward 21.3 ms (step 1 22 ms, step 2 21.5 ms, bound 20 ms, gap 6.50 %), step 1");
}

}  // namespace
}  // namespace sextant
