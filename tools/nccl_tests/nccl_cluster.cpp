#include "tools/nccl_tests/nccl_cluster.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <regex>
#include <set>
#include <tuple>

#include <fmt/format.h>

#include "models/error.h"
#include "models/statistics.h"
#include "tools/published/catalogue.h"

namespace sextant {
namespace {

// Everything that was measured of one size.
struct Samples {
  std::vector<double> seconds;
  std::int64_t repeats = 0;
};

using SeriesKey = std::tuple<Collective, GroupShape>;
using SamplesBySize = std::map<double, Samples>;  // by bytes

MeasuredPoint point_of(const Samples& samples) {
  constexpr double kLow = 0.1, kHigh = 0.9;
  const double median = quantile(samples.seconds, 0.5);
  return {.median = Seconds(median),
          .low = Seconds(std::min(median, quantile(samples.seconds, kLow))),
          .high = Seconds(std::max(median, quantile(samples.seconds, kHigh))),
          .repeats = static_cast<int>(std::min<std::int64_t>(samples.repeats, std::numeric_limits<int>::max()))};
}

CollectiveSeries series_of(const SeriesKey& key, const SamplesBySize& sizes) {
  CollectiveSeries series{.op = std::get<Collective>(key), .group = std::get<GroupShape>(key)};
  for (const auto& [size, samples] : sizes) series.points.push_back({.buffer = Bytes(size), .time = point_of(samples)});
  return series;
}

Topology topology_of(const std::vector<NcclRun>& runs) {
  Topology topology{.nodes = 1, .devices_per_node = 1};
  for (const NcclRun& run : runs) {
    std::map<std::string, int> hosts;
    for (const NcclRank& rank : run.ranks) ++hosts[rank.host];
    topology.nodes = std::max(topology.nodes, static_cast<int>(hosts.size()));
    for (const auto& [host, count] : hosts) topology.devices_per_node = std::max(topology.devices_per_node, count);
  }
  return topology;
}

// Plans need every collective that their layout has groups for.
std::vector<std::string> missing_collectives(const Cluster& cluster) {
  std::vector<std::string> missing;
  for (int i = 0; i < kNumCollectives; ++i) {
    const auto op = static_cast<Collective>(i);
    const bool found = std::ranges::find(cluster.collectives, op, &CollectiveSeries::op) != cluster.collectives.end();
    if (!found) missing.emplace_back(to_text(op));
  }
  return missing;
}

std::set<std::string> devices_of(const std::vector<NcclRun>& runs) {
  std::set<std::string> devices;
  for (const NcclRun& run : runs) {
    for (const NcclRank& rank : run.ranks) devices.insert(rank.device);
  }
  return devices;
}

std::string last_date(const std::vector<NcclRun>& runs) {
  std::string date;
  for (const NcclRun& run : runs) date = std::max(date, run.date);
  return date.empty() ? "unknown" : date;
}

}  // namespace

NcclCluster cluster_of_nccl_runs(const std::vector<NcclRun>& runs, const Cluster& base,
                                 const NcclClusterOptions& options) {
  NcclCluster result;
  std::map<SeriesKey, SamplesBySize> measured;
  for (const NcclRun& run : runs) {
    const std::optional<Collective> op = collective_of(run.test);
    if (!op) {
      result.warnings.push_back(
          fmt::format("{}:{}: {} is left out: no training step uses it", run.origin, run.line, run.test));
      continue;
    }
    SamplesBySize& sizes = measured[{*op, group_shape(run)}];
    for (const NcclRow& row : run.rows) {
      Samples& samples = sizes[row.size.value()];
      for (const Seconds time : row.times) samples.seconds.push_back(time.value());
      samples.repeats += row.repeats;
    }
  }
  if (measured.empty()) throw ConfigError(fmt::format("{}: no collective of a training step", options.files));
  const std::set<std::string> devices = devices_of(runs);
  if (devices.size() > 1) {
    result.warnings.push_back(fmt::format("devices of several kinds: {}", fmt::join(devices, ", ")));
  }
  Cluster& cluster = result.cluster;
  cluster = base;
  cluster.name = options.name;
  cluster.aliases.clear();
  cluster.source = fmt::format("collectives measured by nccl-tests ({}); device and kernels of {}: {}", options.files,
                               base.name, base.reference ? base.reference->source : base.source);
  cluster.topology = topology_of(runs);
  cluster.backend = "cuda";
  cluster.machine =
      fmt::format("{} x {} {}", cluster.topology.nodes, cluster.topology.devices_per_node, fmt::join(devices, ", "));
  cluster.date = last_date(runs);
  cluster.synchronization = Seconds();
  cluster.contention.clear();
  cluster.reference.reset();
  cluster.collectives.clear();
  for (const auto& [key, sizes] : measured) cluster.collectives.push_back(series_of(key, sizes));
  fit_cluster(cluster);
  if (const auto missing = missing_collectives(cluster); !missing.empty()) {
    result.warnings.push_back(
        fmt::format("no {}: layouts that need it cannot be planned for", fmt::join(missing, ", no ")));
  }
  return result;
}

const Cluster* cluster_of_device(const std::vector<Cluster>& clusters, const std::string& device) {
  static const std::regex kMemory(R"((\d{1,5}) ?GB\b)");
  std::smatch match;
  const bool has_memory = std::regex_search(device, match, kMemory);
  const Bytes memory(has_memory ? 1e9 * std::stod(match[1].str()) : 0.0);
  const std::string wanted = normalized_name(device);
  const Cluster* best = nullptr;
  std::size_t longest = 0;
  for (const Cluster& cluster : clusters) {
    constexpr double kTenth = 0.1;
    if (has_memory && std::abs(cluster.device.memory / memory - 1.0) > kTenth) continue;
    std::vector<std::string> names = cluster.aliases;
    names.push_back(cluster.name);
    for (const std::string& name : names) {
      const std::string normalized = normalized_name(name);
      if (normalized.size() <= longest || wanted.find(normalized) == std::string::npos) continue;
      best = &cluster;
      longest = normalized.size();
    }
  }
  return best;
}

}  // namespace sextant
