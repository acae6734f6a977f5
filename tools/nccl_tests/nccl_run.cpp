#include "tools/nccl_tests/nccl_run.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

constexpr std::array kTests{
    std::pair{"all_reduce", Collective::kAllReduce}, std::pair{"all_gather", Collective::kAllGather},
    std::pair{"reduce_scatter", Collective::kReduceScatter}, std::pair{"alltoall", Collective::kAllToAll}};

[[noreturn]] void fail(const NcclRun& run, int line, const std::string& message) {
  throw ConfigError(fmt::format("{}:{}: {}", run.origin, line, message));
}

void check_ranks(const NcclRun& run) {
  std::set<int> seen;
  for (const NcclRank& rank : run.ranks) {
    if (seen.insert(rank.rank).second) continue;
    fail(run, run.line, fmt::format("rank {} stands twice: these processes ran apart, not as one job", rank.rank));
  }
  const auto count = static_cast<int>(run.ranks.size());
  if (count > 0 && *seen.rbegin() == count - 1) return;
  fail(run, run.line,
       count == 0 ? "no list of ranks (\"#  Rank  0 Group  0 Pid ... on HOST device ...\") above the table"
                  : fmt::format("{} ranks are listed, but the last is rank {}", count, *seen.rbegin()));
}

// (busbw / algbw) by nccl-tests' doc/PERFORMANCE.md.
double bus_factor(Collective op, int ranks) {
  const double share = (ranks - 1.0) / ranks;
  return op == Collective::kAllReduce ? 2.0 * share : share;
}

}  // namespace

std::optional<Collective> collective_of(std::string_view test) {
  for (const auto& [name, op] : kTests) {
    if (test == name) return op;
  }
  return std::nullopt;
}

std::optional<std::string> test_in_command(std::string_view text) {
  const std::size_t end = text.find("_perf");
  if (end == std::string_view::npos) return std::nullopt;
  const auto is_name = [](char c) { return (c >= 'a' && c <= 'z') || c == '_'; };
  std::size_t begin = end;
  while (begin > 0 && is_name(text[begin - 1])) --begin;
  if (begin == end) return std::nullopt;
  return std::string(text.substr(begin, end - begin));
}

std::optional<std::string> test_in_file_name(std::string_view path) {
  const auto letters = [](std::string_view text) {
    std::string result;
    for (const char c : text) {
      if (c >= 'a' && c <= 'z') result += c;
      if (c >= 'A' && c <= 'Z') result += static_cast<char>(c - 'A' + 'a');
    }
    return result;
  };
  const std::string name = letters(std::filesystem::path(path).filename().string());
  for (const auto& [test, op] : kTests) {
    if (name.find(letters(test)) != std::string::npos) return test;
  }
  return std::nullopt;
}

GroupShape group_shape(const NcclRun& run) {
  check_ranks(run);
  std::map<int, std::map<std::string, int>> groups;  // group -> host -> ranks
  for (const NcclRank& rank : run.ranks) ++groups[rank.group][rank.host];
  std::optional<GroupShape> shape;
  for (const auto& [group, hosts] : groups) {
    const int per_host = hosts.begin()->second;
    for (const auto& [host, count] : hosts) {
      if (count == per_host) continue;
      fail(run, run.line,
           fmt::format("group {} has {} ranks on {} and {} on {}; expected as many on each", group, per_host,
                       hosts.begin()->first, count, host));
    }
    const GroupShape here{.nodes = static_cast<int>(hosts.size()), .ranks_per_node = per_host};
    if (shape && *shape != here) fail(run, run.line, fmt::format("group {} is cut otherwise than the first", group));
    shape = here;
  }
  if (shape->num_ranks() < 2) fail(run, run.line, "groups of one rank have nothing to measure");
  return *shape;
}

void check_bandwidths(const NcclRun& run, const GroupShape& group, const NcclBandwidths& row, int line) {
  constexpr double kTellable = 1.0;   // GB/s: below, two decimals tell too little
  constexpr double kRounding = 0.02;  // of the factor, and digits of the table
  if (row.algbw < kTellable) return;
  const std::optional<Collective> op = collective_of(run.test);
  const double expected = bus_factor(op.value(), group.num_ranks());
  const double found = row.busbw / row.algbw;
  if (std::abs(found - expected) <= kRounding * expected + 1.0 / 100.0 / row.algbw) return;
  fail(run, line,
       fmt::format(
           "busbw is {:.3f} times algbw, but {} over {} ranks has {:.3f}: another test, or other ranks than listed",
           found, run.test, group.num_ranks(), expected));
}

std::vector<NcclRun> parse_nccl_output(std::string_view text, const std::string& origin, const NcclOptions& options) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first != std::string_view::npos && text[first] == '{') return {parse_nccl_json(text, origin, options)};
  return parse_nccl_text(text, origin, options);
}

}  // namespace sextant
