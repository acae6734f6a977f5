#include "tools/refit_table.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

// A step of 100 ms predicted at 80, then at 98; experts explain 15 of the 20 ms, contention 4.
Refit example_refit() {
  return {.cluster = {},
          .terms = {{.name = "expert forward, 64 rows",
                     .predicted = Seconds(0.002),
                     .measured = Seconds(0.0025),
                     .samples = 8,
                     .is_off = true,
                     .old_value = 0.002,
                     .new_value = 0.0025,
                     .effect = Seconds(0.015)},
                    {.name = "inter beside compute, factor",
                     .predicted = Seconds(0.004),
                     .measured = Seconds(0.005),
                     .samples = 4,
                     .is_off = true,
                     .unit = RefitTerm::Unit::kFactor,
                     .old_value = 1.5,
                     .new_value = 2.0,
                     .effect = Seconds(0.004)},
                    {.name = "route forward, 64 rows",
                     .predicted = Seconds(0.001),
                     .measured = Seconds(0.001),
                     .samples = 8,
                     .old_value = 0.001,
                     .new_value = 0.001}},
          .measured = Seconds(0.1),
          .traced = Seconds(0.096),
          .before = Seconds(0.08),
          .after = Seconds(0.098)};
}

TEST(RefitTable, TellsTermsTheMostWrongAndTheStep) {
  EXPECT_EQ(
      refit_table(example_refit()),
      "                                          predicted   measured      error samples  explains  old -> new\n"
      "expert forward, 64 rows                        2 ms     2.5 ms    -20.0 %       8   +75.0 %  2 ms -> 2.5 ms\n"
      "inter beside compute, factor                   4 ms       5 ms    -20.0 %       4   +20.0 %  1.5 -> 2\n"
      "route forward, 64 rows                         1 ms       1 ms     +0.0 %       8  as it was\n"
      "\n"
      "most wrong: expert forward, 64 rows; with it right the predicted step is 15 ms longer\n"
      "measured                    100 ms   a step, the mean of all; the traced one took 96 ms\n"
      "predicted before             80 ms   error -20.0 %\n"
      "predicted now                98 ms   error -2.0 %\n");
}

TEST(RefitTable, SaysThatNothingWasWrong) {
  Refit refit = example_refit();
  refit.terms.erase(refit.terms.begin(), refit.terms.begin() + 2);
  EXPECT_NE(refit_table(refit).find("nothing was wrong beyond its noise: the cluster stays as it was\n"),
            std::string::npos);
}

TEST(RefitTable, ATermMayShortenTheStep) {
  Refit refit = example_refit();
  refit.terms[0].effect = Seconds(-0.015);
  EXPECT_NE(refit_table(refit).find("with it right the predicted step is 15 ms shorter\n"), std::string::npos);
}

TEST(RefitJson, HasEveryNumber) {
  const auto json = nlohmann::json::parse(refit_json(example_refit(), "c.yaml"));
  EXPECT_EQ(json["cluster_file"], "c.yaml");
  EXPECT_EQ(json["most_wrong"], "expert forward, 64 rows");
  EXPECT_NEAR(json["error_before"], -0.2, 1e-12);
  EXPECT_NEAR(json["error_after"], -0.02, 1e-12);
  EXPECT_NEAR(json["terms"][0]["share"], 0.75, 1e-12);
  EXPECT_EQ(json["terms"][1]["unit"], "factor");
  EXPECT_EQ(json["terms"][1]["new"], 2.0);
  EXPECT_EQ(json["terms"][2]["off"], false);
  EXPECT_FALSE(json["terms"][2].contains("share"));
}

TEST(RefitJson, NamesNoFileWhereNoneWasWritten) {
  EXPECT_TRUE(nlohmann::json::parse(refit_json(example_refit(), ""))["cluster_file"].is_null());
}

}  // namespace
}  // namespace sextant
