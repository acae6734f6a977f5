#include "planner/plan.h"

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "planner/list_scheduler.h"

namespace sextant {
namespace {

StepShape step() {
  Network network;
  network.name = "small";
  network.layers = 3;
  network.model_dim = 32;
  network.heads = 4;
  network.kv_heads = 2;
  network.head_dim = 8;
  network.expert_hidden_dim = 64;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 1.25;
  network.aux_loss_coefficient = 0.01;
  const ParallelLayout layout({.dp = 2, .tp = 2, .edp = 2, .ep = 2, .esp = 1}, {.nodes = 2, .devices_per_node = 2});
  return {network, layout, 2, 2, 16, 4};
}

Plan plan() {
  Plan plan{step(), {}, {}, "0123456789abcdef", "fedcba9876543210", "here"};
  plan.schedule = {Policy::kFsmoe, {{1, 2}, {3, 4}, {2, 2}}, whole_unit_slices(plan.step, Policy::kFsmoe)};
  plan.prediction = {.step_time = Seconds(0.0123),
                     .step_time_low = Seconds(0.011),
                     .step_time_high = Seconds(0.014),
                     .lower_bound = Seconds(0.009),
                     .exposed_communication = Seconds(0.001),
                     .peak_memory = Bytes(123456789.0),
                     .tokens_per_s_per_device = 5555.5,
                     .mfu = 0.37,
                     .worst_source = CostSource::kInterpolated};
  return plan;
}

class PlanFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() /
            (std::string("sextant_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".yaml");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  // The plan's text with `from` replaced; load_plan must refuse it with `expected` in the message.
  void expect_refused(const std::string& from, const std::string& to, const std::string& expected) {
    std::string text = plan_to_yaml(plan());
    const auto at = text.find(from);
    ASSERT_NE(at, std::string::npos) << text;
    text.replace(at, from.size(), to);
    write_file_atomically(path_, text);
    try {
      static_cast<void>(load_plan(path_));
      FAIL() << "accepted " << to;
    } catch (const ConfigError& error) {
      EXPECT_NE(std::string(error.what()).find(expected), std::string::npos) << error.what();
      EXPECT_NE(std::string(error.what()).find(path_.string() + ":"), std::string::npos) << error.what();
    }
  }

  std::filesystem::path path_;
};

TEST_F(PlanFile, RoundTripIsExact) {
  write_file_atomically(path_, plan_to_yaml(plan()));
  const Plan read = load_plan(path_);
  EXPECT_EQ(plan_to_yaml(read), plan_to_yaml(plan()));
  EXPECT_EQ(read.schedule, plan().schedule);
  EXPECT_EQ(read.step.layout, plan().step.layout);
  EXPECT_EQ(read.step.network, plan().step.network);
  EXPECT_EQ(read.prediction.step_time.value(), 0.0123);
  EXPECT_EQ(read.prediction.worst_source, CostSource::kInterpolated);
}

TEST_F(PlanFile, ASearchedOrderIsKept) {
  Plan searched = plan();
  searched.schedule.policy = Policy::kSearched;
  searched.schedule.overlap = {.split_expert_backward = true, .micro_batches_in_flight = 2};
  TaskGraph graph = build_step_graph(searched.step, searched.schedule);
  const std::vector<double> seconds(graph.tasks.size(), 1.0);
  searched.schedule.order = list_schedule(graph, {seconds, upward_ranks(graph, seconds, {})}, {});
  EXPECT_NE(*searched.schedule.order, graph.order);
  write_file_atomically(path_, plan_to_yaml(searched));
  EXPECT_EQ(load_plan(path_).schedule, searched.schedule);
}

TEST_F(PlanFile, AnOrderOfOtherTasksIsRefused) {
  expect_refused("  policy: fsmoe\n", "  policy: fsmoe\n  order: {compute: 0-3 5}\n", "schedule");
  expect_refused("  policy: fsmoe\n", "  policy: fsmoe\n  order: {compute: 0-x}\n", "'0-x' is no run of tasks");
}

TEST_F(PlanFile, MisspeltKeyIsRefused) {
  expect_refused("micro_batch:", "mirco_batch:", "mirco_batch");
}

TEST_F(PlanFile, UnknownPolicyListsTheKnownOnes) {
  expect_refused("policy: fsmoe", "policy: fsmo", "tutel_improved");
}

TEST_F(PlanFile, LayoutThatDoesNotMultiplyUpIsRefused) {
  expect_refused("dp: 2", "dp: 3", "3");
}

TEST_F(PlanFile, MissingUnitIsRefused) {
  expect_refused("exposed_communication: 1 ms", "exposed_communication: 1", "1");
}

TEST_F(PlanFile, SlicesThatLeaveAHoleAreRefused) {
  expect_refused("begin: 0", "begin: 1", "schedule");
}

TEST_F(PlanFile, WrongNumberOfDegreesIsRefused) {
  expect_refused("    - {forward: 2, backward: 2}\n", "", "2 entries for 3 layers");
}

TEST_F(PlanFile, MoreTasksThanAStepMayHaveAreRefused) {
  expect_refused("num_micro_batches: 2", "num_micro_batches: 1000000", "tasks; allowed: 1048576");
  // A few letters could ask for gigabytes of order.
  expect_refused("  policy: fsmoe\n", "  policy: fsmoe\n  order: {compute: 0-1000000 0-1000000}\n",
                 "more than 1048576");
}

TEST_F(PlanFile, RatesOfAnyMachineAreRead) {
  Plan fast = plan();
  fast.prediction.tokens_per_s_per_device = 4.2379029759487115e+22;
  write_file_atomically(path_, plan_to_yaml(fast));
  EXPECT_EQ(load_plan(path_).prediction.tokens_per_s_per_device, fast.prediction.tokens_per_s_per_device);
}

}  // namespace
}  // namespace sextant
