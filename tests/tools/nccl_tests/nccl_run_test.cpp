#include "tools/nccl_tests/nccl_run.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/tools/nccl_tests/nccl_sample.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

// Ranks "host group": "a0 a0 b1".
NcclRun run_of(const std::vector<std::pair<std::string, int>>& ranks) {
  NcclRun run;
  run.origin = "x.txt";
  run.line = 7;
  run.test = "all_reduce";
  for (const auto& [host, group] : ranks) {
    run.ranks.push_back({.rank = static_cast<int>(run.ranks.size()), .group = group, .host = host, .device = "H100"});
  }
  return run;
}

std::string shape_error(const NcclRun& run) {
  return error_text<ConfigError>([&] { static_cast<void>(group_shape(run)); });
}

TEST(CollectiveOf, OnlyTestsOfATrainingStepHaveOne) {
  EXPECT_EQ(collective_of("all_reduce"), Collective::kAllReduce);
  EXPECT_EQ(collective_of("alltoall"), Collective::kAllToAll);
  EXPECT_FALSE(collective_of("broadcast"));
  EXPECT_FALSE(collective_of("alltoallv"));
}

TEST(TestNames, AreFoundInCommandsAndFileNames) {
  EXPECT_EQ(test_in_command("mpirun -np 8 /opt/nccl-tests/build/all_reduce_perf_mpi -b 8"), "all_reduce");
  EXPECT_EQ(test_in_command("./alltoall_perf"), "alltoall");
  EXPECT_FALSE(test_in_command("ls results"));
  EXPECT_FALSE(test_in_command("_perf").has_value() && test_in_command("_perf")->empty());
  EXPECT_EQ(test_in_file_name("runs/AllReduce-16.txt"), "all_reduce");
  EXPECT_EQ(test_in_file_name("reduce_scatter.log"), "reduce_scatter");
  EXPECT_FALSE(test_in_file_name("all_reduce/output.txt"));
}

TEST(GroupShapeOfARun, CountsHostsAndRanksOnEach) {
  EXPECT_EQ(group_shape(run_of({{"a", 0}, {"a", 0}, {"b", 0}, {"b", 0}})), (GroupShape{2, 2}));
  // NCCL_TESTS_SPLIT="MOD 2" of two hosts with two ranks: each group has one rank on each.
  EXPECT_EQ(group_shape(run_of({{"a", 0}, {"a", 1}, {"b", 0}, {"b", 1}})), (GroupShape{2, 1}));
  // "DIV 2": each group is a host.
  EXPECT_EQ(group_shape(run_of({{"a", 0}, {"a", 0}, {"b", 1}, {"b", 1}})), (GroupShape{1, 2}));
}

TEST(GroupShapeOfARun, RanksThatMakeNoShapeAreRefused) {
  EXPECT_THAT(shape_error(run_of({})), HasSubstr("x.txt:7: no list of ranks"));
  EXPECT_THAT(shape_error(run_of({{"a", 0}})), HasSubstr("one rank"));
  EXPECT_THAT(shape_error(run_of({{"a", 0}, {"a", 0}, {"b", 0}})), HasSubstr("2 ranks on a and 1 on b"));
  EXPECT_THAT(shape_error(run_of({{"a", 0}, {"a", 0}, {"b", 1}, {"c", 1}})), HasSubstr("group 1 is cut otherwise"));
  NcclRun twice = run_of({{"a", 0}, {"b", 0}});
  twice.ranks[1].rank = 0;
  EXPECT_THAT(shape_error(twice), HasSubstr("rank 0 stands twice"));
  twice.ranks[1].rank = 5;
  EXPECT_THAT(shape_error(twice), HasSubstr("the last is rank 5"));
}

TEST(CheckBandwidths, TheFactorTellsTestAndRanks) {
  const NcclRun run = run_of({{"a", 0}, {"a", 0}, {"a", 0}, {"a", 0}});
  const GroupShape four{1, 4};
  check_bandwidths(run, four, {.algbw = 100.0, .busbw = 150.0}, 9);  // 2 (4 - 1) / 4 = 1.5
  check_bandwidths(run, four, {.algbw = 0.01, .busbw = 0.0}, 9);     // two decimals tell nothing
  EXPECT_THAT(error_text<ConfigError>([&] { check_bandwidths(run, four, {.algbw = 100.0, .busbw = 75.0}, 9); }),
              HasSubstr("x.txt:9: busbw is 0.750 times algbw, but all_reduce over 4 ranks has 1.500"));
}

TEST(ParseNcclOutput, TellsJsonFromText) {
  EXPECT_EQ(parse_nccl_output(sample_text({}), "a.txt").at(0).rows.size(), 4U);
  EXPECT_EQ(parse_nccl_output("\n " + sample_json({}), "a.json").at(0).rows.size(), 4U);
}

}  // namespace
}  // namespace sextant
