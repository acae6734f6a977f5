#include "tools/plan_account.h"

#include <algorithm>
#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/planner/two_node_request.h"
#include "tests/tools/example_run.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

Seconds sum(const std::vector<TimeTerm>& terms) {
  Seconds total;
  for (const TimeTerm& term : terms) total += term.time;
  return total;
}

std::string decision(const PlanAccount& account, const std::string& name) {
  for (const auto& [key, value] : account.decisions) {
    if (key == name) return value;
  }
  return "none";
}

class SetupFile : public testing::Test {
 protected:
  void SetUp() override {
    const std::string configs = SEXTANT_SOURCE_DIR "/configs/";
    SetupRequest request = two_node_request();
    request.ep = 8;
    const Cluster cluster = load_cluster(configs + "clusters/dgx_h100.yaml");
    setup_ = setup_plans(request, cluster, search_setups(request, cluster)).at(0);
    path_ = std::filesystem::temp_directory_path() /
            (std::string("sextant_account_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    write_file_atomically(path_, setup_plan_to_yaml(setup_));
  }
  void TearDown() override { std::filesystem::remove(path_); }

  SetupPlan setup_;
  std::filesystem::path path_;
};

TEST_F(SetupFile, IsToldTermByTerm) {
  const PlanAccount account = load_plan_account(path_, std::nullopt);
  EXPECT_EQ(account.schema, "sextant/setup@1");
  EXPECT_EQ(account.network, "mixtral-8x7b");
  EXPECT_EQ(decision(account, "ep"), "8");
  EXPECT_EQ(decision(account, "global_batch"), "64");
  EXPECT_EQ(account.times.size(), static_cast<std::size_t>(kNumStepTerms));
  EXPECT_EQ(sum(account.times), setup_.prediction.step_time);
  const auto dispatch = std::ranges::find(account.times, "dispatch", &TimeTerm::name);
  EXPECT_EQ(dispatch->group, "exposed communication");
  EXPECT_FALSE(dispatch->links.empty());
  EXPECT_TRUE(account.warnings.empty());
}

TEST_F(SetupFile, AChangedNetworkIsWarnedOf) {
  setup_.network.rope_theta *= 2.0;
  write_file_atomically(path_, setup_plan_to_yaml(setup_));
  EXPECT_THAT(load_plan_account(path_, std::nullopt).warnings.at(0), HasSubstr("changed after planning"));
}

TEST(PlanAccount, WithoutACostModelHoldsWhatThePlanPredicts) {
  const PlanAccount account = account_of(example_plan(), nullptr);
  EXPECT_EQ(account.prediction.step_time, Seconds(0.5));
  EXPECT_TRUE(account.times.empty());
  EXPECT_EQ(decision(account, "schedule"), "tutel_improved");
  EXPECT_EQ(decision(account, "r_fwd"), "2");
  EXPECT_EQ(decision(account, "issue_order"), "of the policy");
  EXPECT_FALSE(account.memory.empty());
}

TEST(PlanAccount, WithACostModelTheTasksTimesSumToTheStep) {
  const FakeCostModel costs = example_costs();
  const PlanAccount account = account_of(example_plan(), &costs);
  EXPECT_NEAR(sum(account.times).value(), account.prediction.step_time.value(), 1e-12);
  const auto dispatch = std::ranges::find(account.times, "dispatch", &TimeTerm::name);
  ASSERT_NE(dispatch, account.times.end());
  EXPECT_EQ(dispatch->links, "intra");
  EXPECT_NE(std::ranges::find(account.times, "gradient_reduce dp", &TimeTerm::name), account.times.end());
  ASSERT_EQ(account.busy.size(), 2U);  // compute, intra
  EXPECT_EQ(account.busy.front().resource, "compute");
}

TEST(PlanAccount, AnythingElseIsRefused) {
  const auto path = std::filesystem::temp_directory_path() / "sextant_account_network.yaml";
  write_file_atomically(path, "schema: sextant/network@1\n");
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(load_plan_account(path, std::nullopt)); }),
              HasSubstr("sextant/plan@1"));
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace sextant
