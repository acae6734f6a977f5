// Text tables of nccl-tests: parse_nccl_text of tools/nccl_tests/nccl_run.h.
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

std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const auto at = text.find(from);
  EXPECT_NE(at, std::string::npos) << from << " is not in\n" << text;
  return at == std::string::npos ? text : text.replace(at, from.size(), to);
}

std::string refusal(const std::string& text, const NcclOptions& options = {}) {
  return error_text<ConfigError>([&] { static_cast<void>(parse_nccl_text(text, "out.txt", options)); });
}

TEST(NcclText, HasTheTestItsRanksAndARowASize) {
  const auto runs = parse_nccl_text(sample_text({.hosts = 2}), "out.txt");
  ASSERT_EQ(runs.size(), 1U);
  const NcclRun& run = runs.front();
  EXPECT_EQ(run.test, "all_reduce");
  ASSERT_EQ(run.ranks.size(), 8U);
  EXPECT_EQ(run.ranks[5].host, "node1");
  EXPECT_EQ(run.ranks[5].device, "NVIDIA H100 80GB HBM3");
  ASSERT_EQ(run.rows.size(), 4U);
  EXPECT_EQ(run.rows[1].size, Bytes(4.0 * 1024 * 1024));
  EXPECT_EQ(run.rows[1].times.front(), Seconds(60.0 / 1e6));  // 20 us + 4 x 10 us
  EXPECT_EQ(run.rows[1].repeats, 20);
}

TEST(NcclText, InPlaceColumnsAreTakenOnRequest) {
  const auto runs = parse_nccl_text(sample_text({}), "out.txt", {.in_place = true});
  EXPECT_EQ(runs.front().rows[1].times.front(), Seconds(120.0 / 1e6));
}

TEST(NcclText, SeveralRunsInOneFileAreToldApart) {
  const std::string text = sample_text({}) + sample_text({.test = "alltoall", .ranks_per_host = 2});
  const auto runs = parse_nccl_text(text, "out.txt");
  ASSERT_EQ(runs.size(), 2U);
  EXPECT_EQ(runs[1].test, "alltoall");
  EXPECT_EQ(runs[1].ranks.size(), 2U);
}

TEST(NcclText, TagsOfLaunchersAndOtherLinesAreNotMinded) {
  std::string tagged = "NCCL version 2.27.3+cuda12.8\nWarning: something\n";
  const std::string text = sample_text({});
  for (std::size_t begin = 0; begin < text.size(); begin = text.find('\n', begin) + 1) {
    tagged += "[1,0]<stdout>:" + text.substr(begin, text.find('\n', begin) + 1 - begin);
  }
  EXPECT_EQ(parse_nccl_text(tagged, "out.txt").front().rows.size(), 4U);
  const std::string endless = "#  Rank  9 Group  0 Pid 1 on " + std::string(1 << 20, 'x') + "\n";
  EXPECT_EQ(parse_nccl_text(endless + text, "out.txt").size(), 1U);
  EXPECT_EQ(parse_nccl_text(replaced(text, "# Out of", "node0:1:1 [0] NCCL INFO x\n\n# Out of"), "out.txt").size(), 1U);
}

TEST(NcclText, OldReleasesHaveFewerColumnsAndNoGroups) {
  const std::string text =
      "# nThread 1 nGpus 2 minBytes 1048576 maxBytes 1048576 step: 2(factor) warmup iters: 5 iters: 20 validation: 1\n"
      "#   Rank  0 Pid  71327 on here device  0 [0x1a] Tesla V100-SXM3-32GB\n"
      "#   Rank  1 Pid  71327 on here device  1 [0x1b] Tesla V100-SXM3-32GB\n"
      "#       size         count    type   redop     time   algbw   busbw  error     time   algbw   busbw  error\n"
      "#        (B)    (elements)                     (us)  (GB/s)  (GB/s)            (us)  (GB/s)  (GB/s)\n"
      "     1048576        131072   float              50.0   20.97   10.49  1e-07     51.0   20.56   10.28    N/A\n";
  const auto runs = parse_nccl_text(text, "all_gather.txt");
  EXPECT_EQ(runs.front().test, "all_gather");
  EXPECT_EQ(runs.front().rows.front().times.front(), Seconds(50.0 / 1e6));
  EXPECT_THAT(refusal(text), HasSubstr("out.txt:4: nothing says which test"));
  EXPECT_EQ(parse_nccl_text(text, "out.txt", {.in_place = false, .test = "alltoall"}).front().test, "alltoall");
}

TEST(NcclText, RowsWithoutAnElementARankAreLeftOut) {
  const std::string row =
      "           0             0     float     sum      -1     5.10    0.00    0.00       0     5.00"
      "    0.00    0.00       0\n";
  const auto runs = parse_nccl_text(replaced(sample_text({}), "# Out of", row + "# Out of"), "out.txt");
  EXPECT_EQ(runs.front().rows.size(), 4U);
}

TEST(NcclText, MalformedOutputIsToldWithItsLine) {
  const std::string text = sample_text({});  // ranks in lines 6 to 9, rows from line 14
  EXPECT_THAT(refusal(""), HasSubstr("out.txt:1: no table of nccl-tests"));
  EXPECT_THAT(refusal("hello\nworld\n"), HasSubstr("out.txt:2: no table"));
  EXPECT_THAT(refusal(replaced(text, "  30.00  ", "  30.x0  ")), HasSubstr("out.txt:14: time: found '30.x0'"));
  EXPECT_THAT(refusal(replaced(text, "  30.00  ", "   0.00  ")), HasSubstr("out.txt:14: a time of 0 us"));
  EXPECT_THAT(refusal(replaced(text, "  30.00  ", "  -3.00  ")), HasSubstr("'-3.00', expected a number of 0 or more"));
  EXPECT_THAT(refusal(replaced(text, "float     sum      -1", "")), HasSubstr("out.txt:14: 10 columns, expected 13"));
  EXPECT_THAT(refusal(replaced(text, "     0  ", "     3  ")), HasSubstr("out.txt:14: 3 wrong elements"));
  EXPECT_THAT(refusal(replaced(text, "Rank  3", "Rank  2")), HasSubstr("rank 2 stands twice"));
  EXPECT_THAT(refusal(replaced(text, "Rank  3 Group", "Rank  3 Gruop")), HasSubstr("out.txt:9: no rank as"));
  EXPECT_THAT(refusal(replaced(text, "   time", "cputime")), HasSubstr("times of the host"));
  EXPECT_THAT(refusal(replaced(text, "all_reduce_perf", "all_gather_perf")), HasSubstr("out.txt:14: busbw is 1.500"));
  EXPECT_THAT(refusal(text.substr(0, text.find("     1048576"))), HasSubstr("no row with a size above 0"));
}

}  // namespace
}  // namespace sextant
