#include "planner/step_prediction.h"

#include <gtest/gtest.h>

#include "planner/schedule.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {
namespace {

Plan two_rank_plan() {
  Network network;
  network.layers = 1;
  network.model_dim = 8;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 4;
  network.expert_hidden_dim = 8;
  network.num_experts = 2;
  network.top_k = 1;
  const StepShape step{.network = network,
                       .layout = ParallelLayout({.dp = 2, .ep = 2}, {.nodes = 1, .devices_per_node = 2}),
                       .sequence = 8};
  Plan plan{.step = step,
            .schedule = {.policy = Policy::kSequential,
                         .degrees = {{.forward = 1, .backward = 1}},
                         .gradients = whole_unit_slices(step, Policy::kSequential)},
            .prediction = {},
            .network_hash = {},
            .cluster_hash = {},
            .cluster_name = {}};
  plan.prediction.step_time = Seconds(3.0);
  plan.prediction.step_time_low = Seconds(2.0);
  plan.prediction.step_time_high = Seconds(5.0);
  plan.prediction.exposed_communication = Seconds(0.5);
  return plan;
}

FakeCostModel costs() {
  FakeCostModel model([](const KernelWork&) { return Seconds(0.003); },
                      [](const CollectiveWork&) { return Seconds(0.001); });
  model.set_spread(0.25);
  return model;
}

TEST(ResourceUse, OfAStepThatTakesNoTimeIsNone) {
  EXPECT_EQ(resource_use({}).busy_fraction, ResourceUse{}.busy_fraction);
}

TEST(ResourceUse, IsTheShareOfTheStepTime) {
  // busy 3 s of 4 s: 0.75
  TimelineSummary summary{.step_time = Seconds(4.0), .busy = {}, .exposed_communication = Seconds(1.0), .idle = {}};
  summary.busy[static_cast<int>(Resource::kInter)] = Seconds(3.0);
  const ResourceUse use = resource_use(summary);
  EXPECT_DOUBLE_EQ(use.busy_fraction[static_cast<int>(Resource::kInter)], 0.75);
  EXPECT_EQ(use.busy_fraction[static_cast<int>(Resource::kCompute)], 0.0);
  EXPECT_EQ(use.exposed_communication, Seconds(1.0));
}

TEST(PredictStep, WithoutCostsRepeatsThePlan) {
  const StepPrediction prediction = predict_step(two_rank_plan(), nullptr);
  EXPECT_EQ(prediction.step_time, Seconds(3.0));
  EXPECT_EQ(prediction.step_time_low, Seconds(2.0));
  EXPECT_EQ(prediction.step_time_high, Seconds(5.0));
  EXPECT_EQ(prediction.exposed_communication, Seconds(0.5));
  EXPECT_FALSE(prediction.timeline.has_value());
  EXPECT_FALSE(prediction.use.has_value());
}

TEST(PredictStep, ASequentialStepTakesTheSumOfItsTasks) {
  // one queue: the step is the sum of 3 ms a kernel and 1 ms a collective; +- 25 %; all communication is exposed
  const Plan plan = two_rank_plan();
  const FakeCostModel model = costs();
  int kernels = 0;
  int collectives = 0;
  for (const Task& task : build_step_graph(plan.step, plan.schedule).tasks) {
    const bool is_kernel = std::holds_alternative<KernelWork>(task.work);
    const bool is_free = !is_kernel && std::get<CollectiveWork>(task.work).group.num_ranks() == 1;
    kernels += is_kernel ? 1 : 0;
    collectives += !is_kernel && !is_free ? 1 : 0;
  }
  const StepPrediction prediction = predict_step(plan, &model);
  const double sum_s = 0.003 * kernels + 0.001 * collectives;
  EXPECT_NEAR(prediction.step_time.value(), sum_s, 1e-12);
  EXPECT_NEAR(prediction.step_time_low.value(), 0.75 * sum_s, 1e-12);
  EXPECT_NEAR(prediction.step_time_high.value(), 1.25 * sum_s, 1e-12);
  EXPECT_NEAR(prediction.exposed_communication.value(), 0.001 * collectives, 1e-12);
  EXPECT_NEAR(prediction.use->busy_fraction[static_cast<int>(Resource::kCompute)], 0.003 * kernels / sum_s, 1e-12);
}

}  // namespace
}  // namespace sextant
