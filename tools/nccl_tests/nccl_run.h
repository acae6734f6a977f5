// What one run of a test of nccl-tests measured: one collective, one set of ranks, a table of sizes.
//
// Sizes are as its tables print them, which is the convention of models/work.h: the larger of one rank's send and
// receive buffers. Times are means over the repeats of a row, or of every repeat where the output has them (-I).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/layout.h"
#include "models/units.h"
#include "models/work.h"

namespace sextant {

struct NcclRank {
  int rank = 0;
  int group = 0;  // ranks of one group form one communicator (NCCL_TESTS_SPLIT)
  std::string host;
  std::string device;  // "NVIDIA H100 80GB HBM3"
};

struct NcclRow {
  Bytes size;
  std::vector<Seconds> times;
  int repeats = 1;  // that the times stand for
};

struct NcclRun {
  std::string origin;  // file
  int line = 1;        // where the run begins
  std::string test;    // "all_reduce"
  std::vector<NcclRank> ranks;
  std::vector<NcclRow> rows;
  std::string date;  // ISO 8601; empty where the output does not tell
};

struct NcclOptions {
  bool in_place = false;            // take the in-place columns instead of the out-of-place ones
  std::optional<std::string> test;  // "all_reduce": for output that does not name its test (before 2.17)
};

// The collective of a training step that a test measures; absent for others such as broadcast.
[[nodiscard]] std::optional<Collective> collective_of(std::string_view test);
// "all_reduce" of "./build/all_reduce_perf_mpi -b 8"; absent where no test is named.
[[nodiscard]] std::optional<std::string> test_in_command(std::string_view text);
// "all_reduce" of "results/AllReduce-16.txt"; absent where no test of a training step is named.
[[nodiscard]] std::optional<std::string> test_in_file_name(std::string_view path);

// Nodes and ranks a node of every group of the run, which must be alike. Throws ConfigError origin:line where ranks
// are missing or stand twice, hosts have uneven shares, groups differ or have one rank.
[[nodiscard]] GroupShape group_shape(const NcclRun& run);

// Throws ConfigError origin:line unless the bus bandwidth is algbw times the factor of the test and its ranks, as far
// as two decimals can tell: else test or ranks are not what they seem.
struct NcclBandwidths {
  double algbw = 0.0;  // GB/s
  double busbw = 0.0;
};
void check_bandwidths(const NcclRun& run, const GroupShape& group, const NcclBandwidths& row, int line);

// Text tables and JSON (-J), told apart by the first character. Throw ConfigError with origin:line (and column).
[[nodiscard]] std::vector<NcclRun> parse_nccl_output(std::string_view text, const std::string& origin,
                                                     const NcclOptions& options = {});
[[nodiscard]] std::vector<NcclRun> parse_nccl_text(std::string_view text, const std::string& origin,
                                                   const NcclOptions& options = {});
[[nodiscard]] NcclRun parse_nccl_json(std::string_view text, const std::string& origin,
                                      const NcclOptions& options = {});

}  // namespace sextant
