// The JSON of nccl-tests (-J FILE), read as the YAML that it is, for the sake of line and column in messages. Keys that
// are not needed are not looked at: the format grows with every release.
#include <limits>
#include <string>

#include <fmt/format.h>

#include "models/yaml_io.h"
#include "tools/nccl_tests/nccl_run.h"

namespace sextant {
namespace {

constexpr int kMaxRanks = 1 << 24;
constexpr double kMicrosecondsPerSecond = 1e6;

bool is_null(const ConfigNode& node) {
  return node.is_scalar() && node.as_string() == "null";
}

std::string test_of(const ConfigNode& root, const std::string& origin, const NcclOptions& options) {
  if (options.test) return *options.test;
  const std::vector<ConfigNode> arguments = root["args"].items();
  if (!arguments.empty()) {
    if (auto test = test_in_command(arguments.front().as_string())) return *test;
  }
  if (auto test = test_in_file_name(origin)) return *test;
  root["args"].fail("name no test of nccl-tests (all_reduce_perf, ...); give --test all_reduce");
}

// A process lists the first of its ranks only.
std::vector<NcclRank> ranks_of(const ConfigNode& config) {
  constexpr int kMaxPerProcess = 1 << 10;
  const auto per_process =
      static_cast<int>(config["nthreads"].as_int(1, kMaxPerProcess) * config["ngpus"].as_int(1, kMaxPerProcess));
  std::vector<NcclRank> ranks;
  for (const ConfigNode& device : config["devices"].items()) {
    const auto first = static_cast<int>(device["rank"].as_int(0, kMaxRanks));
    for (int i = 0; i < per_process && first + i < kMaxRanks; ++i) {
      ranks.push_back({.rank = first + i,
                       .group = static_cast<int>(device["group"].as_int(0, kMaxRanks)),
                       .host = device["hostname"].as_string(),
                       .device = device["device_info"].as_string()});
    }
  }
  return ranks;
}

Seconds time_of(const ConfigNode& node) {
  const double microseconds = node.as_double(0.0, std::numeric_limits<double>::max());
  if (microseconds <= 0.0) node.fail("found 0 us, expected a positive time");
  return Seconds(microseconds / kMicrosecondsPerSecond);
}

class JsonRows {
 public:
  JsonRows(const NcclRun& run, const ConfigNode& config, const NcclOptions& options)
      : run_(run), key_(options.in_place ? "in_place" : "out_of_place") {
    if (collective_of(run.test)) group_ = group_shape(run);
    repeats_ = config["iterations"].as_count() * config["aggregated_iterations"].as_count();
  }

  // Absent for rows of less than an element a rank.
  std::optional<NcclRow> read(const ConfigNode& node) const {
    const double size = node["size"].as_double(0.0, 1e18);
    const ConfigNode result = node[key_];
    if (size == 0.0 || is_null(result)) return std::nullopt;
    check(result);
    const std::string per_iteration = key_ + "_per_iter";
    NcclRow row{.size = Bytes(size), .times = {}, .repeats = repeats_};
    if (!node.has(per_iteration)) {
      row.times = {time_of(result["time"])};
      return row;
    }
    const ConfigNode times = node[per_iteration]["times_us"];
    const auto skipped = node[per_iteration]["skipped_iterations"].as_int(0, kMaxRanks);
    const std::vector<ConfigNode> items = times.items();
    for (std::size_t i = static_cast<std::size_t>(skipped); i < items.size(); ++i)
      row.times.push_back(time_of(items[i]));
    if (row.times.empty()) times.fail("found no time of an iteration");
    row.repeats = static_cast<int>(row.times.size());
    return row;
  }

 private:
  void check(const ConfigNode& result) const {
    if (result.has("cpu_time")) result.fail("has times of the host (-C 1); expected those of the collective");
    const ConfigNode wrong = result["nwrong"];
    if (!is_null(wrong) && wrong.as_double(0.0, std::numeric_limits<double>::max()) > 0.0) {
      wrong.fail("wrong elements: times of a collective that does not work mean nothing");
    }
    if (!group_) return;
    const double most = std::numeric_limits<double>::max();
    const NcclBandwidths bandwidths{result["alg_bw"].as_double(0.0, most), result["bus_bw"].as_double(0.0, most)};
    check_bandwidths(run_, *group_, bandwidths, run_.line);
  }

  const NcclRun& run_;
  std::string key_;
  std::optional<GroupShape> group_;
  int repeats_ = 1;
};

}  // namespace

NcclRun parse_nccl_json(std::string_view text, const std::string& origin, const NcclOptions& options) {
  const ConfigNode root = ConfigNode::parse(text, origin);
  const ConfigNode config = root["config"];
  NcclRun run;
  run.origin = origin;
  run.test = test_of(root, origin, options);
  run.ranks = ranks_of(config);
  if (root.has("start_time"))
    run.date = root["start_time"].as_string().substr(0, std::string_view("2026-01-31").size());
  const ConfigNode results = root["results"];
  const JsonRows rows(run, config, options);
  for (const ConfigNode& node : results.items()) {
    if (std::optional<NcclRow> row = rows.read(node)) run.rows.push_back(*std::move(row));
  }
  if (run.rows.empty()) results.fail("no row with a size above 0");
  return run;
}

}  // namespace sextant
