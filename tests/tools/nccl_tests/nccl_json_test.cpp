// JSON of nccl-tests: parse_nccl_json of tools/nccl_tests/nccl_run.h.
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/tools/nccl_tests/nccl_sample.h"
#include "tools/nccl_tests/nccl_run.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

std::string refusal(const std::string& from, const std::string& to) {
  std::string text = sample_json({});
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from;
  text.replace(at, from.size(), to);
  return error_text<ConfigError>([&] { static_cast<void>(parse_nccl_json(text, "out.json")); });
}

TEST(NcclJson, HasTheSameAsTheText) {
  const NcclRun json = parse_nccl_json(sample_json({}), "out.json");
  const NcclRun text = parse_nccl_text(sample_text({}), "out.txt").front();
  EXPECT_EQ(json.test, text.test);
  EXPECT_EQ(json.date, "2026-07-09");
  EXPECT_EQ(group_shape(json), group_shape(text));  // the one process listed has four ranks
  ASSERT_EQ(json.rows.size(), text.rows.size());
  for (std::size_t i = 0; i < json.rows.size(); ++i) {
    EXPECT_EQ(json.rows[i].size, text.rows[i].size);
    EXPECT_NEAR(json.rows[i].times[0].value(), text.rows[i].times[0].value(), 1e-12);
    EXPECT_EQ(json.rows[i].repeats, 20);
  }
}

TEST(NcclJson, TimesOfEveryIterationAreKeptBehindThoseSkipped) {
  const std::string each = R"(,"out_of_place_per_iter":{"skipped_iterations":1,"times_us":[90.0,30.0,31.0,35.0]})";
  const NcclRun run = parse_nccl_json(sample_json({}, each), "out.json");
  EXPECT_EQ(run.rows[0].times.size(), 3U);
  EXPECT_EQ(run.rows[0].times[0], Seconds(30.0 / 1e6));
  EXPECT_EQ(run.rows[0].repeats, 3);
}

TEST(NcclJson, MalformedOutputIsToldWithItsPlace) {
  EXPECT_THAT(refusal("\"size\":1048576", "\"size\":\"big\""), HasSubstr("out.json:1:"));
  EXPECT_THAT(refusal("\"time\":30.000000", "\"cpu_time\":30.000000"), HasSubstr("times of the host"));
  EXPECT_THAT(refusal("\"time\":30.000000", "\"time\":0.000000"), HasSubstr("expected a positive time"));
  EXPECT_THAT(refusal("\"nwrong\":0.000000", "\"nwrong\":2.000000"), HasSubstr("wrong elements"));
  EXPECT_THAT(refusal("\"time\":30.000000", "\"time\":\"nan\""), HasSubstr("found \"nan\""));
  EXPECT_THAT(refusal("\"config\"", "\"conf\""), HasSubstr("missing key \"config\""));
  EXPECT_THAT(refusal("all_reduce_perf", "something"), HasSubstr("name no test"));
  EXPECT_THAT(refusal("all_reduce_perf", "alltoall_perf"), HasSubstr("busbw is 1.500"));
  EXPECT_THAT(refusal("}],\"out_of", "],\"out_of"), HasSubstr("out.json:"));
}

}  // namespace
}  // namespace sextant
