#include "tools/plan_comparison.h"

#include <algorithm>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/tools/example_run.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PlanAccount account(const std::string& dp, std::vector<TimeTerm> times, std::vector<MemoryTerm> memory) {
  PlanAccount account;
  account.path = "dp" + dp + ".yaml";
  account.schema = "sextant/setup@1";
  account.network = "net";
  account.cluster = "here";
  account.decisions = {{"nodes", "2"}, {"dp", dp}};
  account.times = std::move(times);
  account.memory = std::move(memory);
  for (const TimeTerm& term : account.times) account.prediction.step_time += term.time;
  for (const MemoryTerm& term : account.memory) account.prediction.peak_memory += term.bytes;
  return account;
}

PlanAccount first() {
  return account("2",
                 {{"compute", "products", "", Seconds(0.010)},
                  {"compute", "head", "", Seconds(0.0)},
                  {"exposed communication", "dispatch", "intra", Seconds(0.002)},
                  {"bubble", "bubble", "", Seconds(0.004)}},
                 {{"parameters", Bytes(1024.0)}, {"logits", Bytes(0.0)}});
}

PlanAccount second() {
  return account("4",
                 {{"compute", "products", "", Seconds(0.011)},
                  {"compute", "head", "", Seconds(0.0)},
                  {"exposed communication", "dispatch", "inter", Seconds(0.0051)},
                  {"exposed communication", "gradients", "inter", Seconds(0.001)},
                  {"bubble", "bubble", "", Seconds(0.002)}},
                 {{"parameters", Bytes(3072.0)}, {"buffers", Bytes(512.0)}});
}

TEST(ComparePlans, TheDecidingTermMovesAsTheTotalDid) {
  // 16 ms and 19.1 ms: products +1, dispatch +3.1, gradients +1, bubble -2. Sum +3.1.
  const PlanComparison c = compare_plans(first(), second());
  ASSERT_TRUE(c.deciding_time);
  EXPECT_EQ(c.deciding_time->name, "dispatch");
  EXPECT_NEAR(c.deciding_time->difference().value(), 0.0031, 1e-12);
  // Of the way back, 3.1 ms less, the bubble is against it.
  EXPECT_EQ(compare_plans(second(), first()).deciding_time->name, "dispatch");
  EXPECT_EQ(c.deciding_memory->name, "parameters");
}

TEST(ComparePlans, EveryTermOfEitherPlanIsThereOnceAndGroupsStayTogether) {
  const PlanComparison c = compare_plans(first(), second());
  std::vector<std::string> names;
  for (const TimeDifference& d : c.times) names.push_back(d.name);
  EXPECT_THAT(names, testing::ElementsAre("products", "dispatch", "gradients", "bubble"));
  Seconds sum;
  for (const TimeDifference& d : c.times) sum += d.difference();
  EXPECT_NEAR(sum.value(), (c.b.prediction.step_time - c.a.prediction.step_time).value(), 1e-12);
  EXPECT_EQ(c.memory.size(), 2U);  // parameters, buffers; no logits in either
}

TEST(ComparisonText, TheLastLineNamesTheTermAndItsTier) {
  const std::string text = comparison_text(compare_plans(first(), second()));
  EXPECT_THAT(text, testing::EndsWith(
                        "B is 3.1 ms (19.4 %) slower than A: most by +3.1 ms exposed dispatch on the inter tier\n"));
  EXPECT_THAT(text, HasSubstr("dispatch (intra -> inter)"));
  EXPECT_THAT(text, HasSubstr("B needs 2.5 KiB more memory than A: most by +2 KiB of parameters"));
  EXPECT_THAT(text, HasSubstr("decided differently"));
  EXPECT_THAT(text, Not(HasSubstr("nodes")));  // the same in both
}

TEST(ComparisonText, AFasterPlanIsToldByWhatItSaves) {
  EXPECT_THAT(comparison_text(compare_plans(second(), first())),
              HasSubstr("(16.2 %) faster than A: most by -3.1 ms exposed dispatch on the inter tier"));
}

TEST(ComparisonText, OfAPlanWithItselfNothingDiffers) {
  const PlanComparison c = compare_plans(first(), first());
  EXPECT_FALSE(c.deciding_time);
  EXPECT_FALSE(c.deciding_memory);
  const std::string text = comparison_text(c);
  EXPECT_THAT(text, HasSubstr("nothing is decided differently"));
  EXPECT_THAT(text, HasSubstr("B takes as long as A"));
  EXPECT_THAT(text, HasSubstr("B needs as much memory as A"));
}

TEST(ComparisonText, ExecutablePlansShowWhatIsBusy) {
  Plan other = example_plan();
  other.schedule.degrees = {{.forward = 1, .backward = 1}};
  const FakeCostModel costs = example_costs();
  const PlanComparison c = compare_plans(account_of(other, &costs), account_of(example_plan(), &costs));
  const std::string text = comparison_text(c);
  for (const char* part : {"r_fwd", "busy in a step", "compute", "dispatch (intra)", "peak memory"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, Not(HasSubstr("e-")));  // no rounding noise
}

TEST(ComparisonText, WithoutPricesSaysWhatWouldGiveThem) {
  const PlanComparison c = compare_plans(account_of(example_plan(), nullptr), account_of(example_plan(), nullptr));
  EXPECT_THAT(comparison_text(c), HasSubstr("--cluster FILE prices the tasks"));
}

TEST(ComparisonJson, HasEveryTermAndTheVerdict) {
  const auto json = nlohmann::json::parse(comparison_json(compare_plans(first(), second())));
  EXPECT_EQ(json.at("decisions").at("dp"), nlohmann::json({"2", "4"}));
  EXPECT_EQ(json.at("terms").size(), 4U);
  EXPECT_EQ(json.at("deciding_term").at("term"), "dispatch");
  EXPECT_EQ(json.at("deciding_term").at("links_b"), "inter");
  EXPECT_EQ(json.at("peak_memory_difference_bytes"), 2560.0);
  EXPECT_NEAR(json.at("step_time_difference_s").get<double>(), 0.0031, 1e-12);
  EXPECT_TRUE(nlohmann::json::parse(comparison_json(compare_plans(first(), first()))).at("deciding_term").is_null());
}

TEST(ComparePlans, APlanAndASetupAreRefused) {
  EXPECT_THAT(
      error_text<ConfigError>([] { static_cast<void>(compare_plans(account_of(example_plan(), nullptr), second())); }),
      HasSubstr("no terms in common"));
}

}  // namespace
}  // namespace sextant
