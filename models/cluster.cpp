#include "models/cluster.h"

#include <array>
#include <limits>
#include <optional>
#include <set>
#include <span>
#include <tuple>
#include <utility>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr std::string_view kSchema = "sextant/cluster@1";

// The integers of a kernel shape by name, so that reading and writing cannot differ.
struct ShapeField {
  const char* name;
  std::int64_t (*get)(const KernelShape&);
  void (*set)(KernelShape&, std::int64_t);
  std::int64_t max;
};

template <auto Member>
constexpr ShapeField shape_field(const char* name) {
  using Value = std::remove_reference_t<decltype(std::declval<KernelShape&>().*Member)>;
  return {.name = name,
          .get = [](const KernelShape& shape) { return static_cast<std::int64_t>(shape.*Member); },
          .set = [](KernelShape& shape, std::int64_t value) { shape.*Member = static_cast<Value>(value); },
          .max = std::numeric_limits<int>::max()};
}

constexpr std::array kShapeFields{
    shape_field<&KernelShape::model_dim>("model_dim"), shape_field<&KernelShape::hidden_dim>("hidden_dim"),
    shape_field<&KernelShape::experts>("experts"),     shape_field<&KernelShape::top_k>("top_k"),
    shape_field<&KernelShape::gated>("gated"),         shape_field<&KernelShape::sequence>("sequence"),
    shape_field<&KernelShape::heads>("heads"),         shape_field<&KernelShape::kv_heads>("kv_heads"),
    shape_field<&KernelShape::head_dim>("head_dim"),   shape_field<&KernelShape::vocabulary>("vocabulary")};

// ---- reading ----

// The enumerator whose to_text() is the node's text.
template <typename Enum>
Enum parse_enum(const ConfigNode& node, int count) {
  const std::string text = node.as_string();
  std::string allowed;
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    if (text == to_text(value)) return value;
    allowed += fmt::format("{}{}", i == 0 ? "" : ", ", to_text(value));
  }
  node.fail(fmt::format("found \"{}\"; allowed: {}", text, allowed));
}

MeasuredPoint parse_measured(const ConfigNode& node) {
  MeasuredPoint point{.median = node["median"].as_seconds(),
                      .low = node["low"].as_seconds(),
                      .high = node["high"].as_seconds(),
                      .repeats = node["repeats"].as_count(),
                      .source = node.has("source") ? node["source"].as_string() : ""};
  if (point.median <= Seconds(0.0)) node["median"].fail("found zero, expected a positive time");
  if (point.low > point.median) node["low"].fail("exceeds median");
  if (point.high < point.median) node["high"].fail("is below median");
  return point;
}

template <typename Point, typename Size>
void require_ascending(const std::vector<Point>& points, Size Point::*size, const ConfigNode& node) {
  if (points.size() < 2 || points[points.size() - 2].*size < points.back().*size) return;
  node.fail("is not above the one before; expected points by ascending size");
}

FitResidual parse_residual(const ConfigNode& node) {
  constexpr double kMax = std::numeric_limits<double>::max();
  node.expect_keys({"median", "p90", "max", "r_squared"});
  return {.median = node["median"].as_double(0.0, kMax),
          .p90 = node["p90"].as_double(0.0, kMax),
          .max = node["max"].as_double(0.0, kMax),
          .r_squared = node["r_squared"].as_double(-kMax, 1.0)};
}

AlphaBeta parse_line(const ConfigNode& node) {
  node.expect_keys({"alpha", "beta"}, {"residual"});
  AlphaBeta line{.alpha = node["alpha"].as_seconds(), .beta = node["beta"].as_seconds_per_byte(), .residual = {}};
  if (node.has("residual")) line.residual = parse_residual(node["residual"]);
  return line;
}

GroupShape parse_group(const ConfigNode& node) {
  node.expect_keys({"nodes", "ranks_per_node"});
  constexpr int kMaxPerAxis = 1 << 24;  // keeps num_ranks() far from overflow together with the check below
  const GroupShape group{.nodes = static_cast<int>(node["nodes"].as_int(1, kMaxPerAxis)),
                         .ranks_per_node = static_cast<int>(node["ranks_per_node"].as_int(1, kMaxPerAxis))};
  const std::int64_t num_ranks = std::int64_t{group.nodes} * group.ranks_per_node;
  if (num_ranks < 2 || num_ranks > kMaxPerAxis) node.fail(fmt::format("has {} ranks; allowed: 2 to 2^24", num_ranks));
  return group;
}

std::vector<CollectivePoint> parse_collective_points(const ConfigNode& list) {
  std::vector<CollectivePoint> points;
  for (const ConfigNode& item : list.items()) {
    item.expect_keys({"buffer", "median", "low", "high", "repeats"}, {"compute_share", "source"});
    points.push_back({.buffer = item["buffer"].as_bytes(), .time = parse_measured(item)});
    if (item.has("compute_share")) points.back().compute_share = item["compute_share"].as_double(0.0, 1.0);
    if (points.back().buffer <= Bytes(0.0)) item["buffer"].fail("found zero, expected a positive size");
    require_ascending(points, &CollectivePoint::buffer, item["buffer"]);
  }
  return points;
}

CollectiveSeries parse_collective(const ConfigNode& node) {
  node.expect_keys({"op", "group"}, {"points", "line", "source"});
  CollectiveSeries series;
  series.op = parse_enum<Collective>(node["op"], kNumCollectives);
  series.group = parse_group(node["group"]);
  if (node.has("points")) series.points = parse_collective_points(node["points"]);
  if (node.has("line")) series.line = parse_line(node["line"]);
  if (node.has("source")) series.source = node["source"].as_string();
  if (series.points.empty() && !series.line) node.fail("has neither points nor a line");
  return series;
}

KernelShape parse_shape(const ConfigNode& node) {
  KernelShape shape;
  node.expect_keys({}, {"model_dim", "hidden_dim", "experts", "top_k", "gated", "sequence", "heads", "kv_heads",
                        "head_dim", "vocabulary"});
  for (const ShapeField& field : kShapeFields) {
    if (node.has(field.name)) field.set(shape, node[field.name].as_int(0, field.max));
  }
  return shape;
}

KernelSeries parse_kernel(const ConfigNode& node) {
  node.expect_keys({"op", "pass", "shape", "points"});
  KernelSeries series;
  series.op = parse_enum<Operator>(node["op"], kNumOperators);
  series.pass = parse_enum<Pass>(node["pass"], kNumPasses);
  series.shape = parse_shape(node["shape"]);
  for (const ConfigNode& item : node["points"].items()) {
    item.expect_keys({"rows", "median", "low", "high", "repeats"}, {"source"});
    series.points.push_back({.rows = item["rows"].as_int(1, std::int64_t{1} << 53), .time = parse_measured(item)});
    require_ascending(series.points, &KernelPoint::rows, item["rows"]);
  }
  if (series.points.empty()) node["points"].fail("found an empty list, expected at least one point");
  return series;
}

KernelFit parse_kernel_fit(const ConfigNode& node) {
  node.expect_keys({"op", "pass", "alpha", "gamma", "beta"}, {"gated", "residual", "source"});
  KernelFit fit{.op = parse_enum<Operator>(node["op"], kNumOperators),
                .pass = parse_enum<Pass>(node["pass"], kNumPasses),
                .alpha = node["alpha"].as_seconds(),
                .gamma = node["gamma"].as_seconds_per_flop(),
                .beta = node["beta"].as_seconds_per_byte()};
  if (node.has("gated")) fit.gated = static_cast<int>(node["gated"].as_int(0, 1));
  if (node.has("residual")) fit.residual = parse_residual(node["residual"]);
  if (node.has("source")) fit.source = node["source"].as_string();
  return fit;
}

// REQUIRES: `item` was read as what has this key.
template <typename Key>
void reject_twin(std::set<Key>& seen, Key key, const ConfigNode& item) {
  if (!seen.insert(std::move(key)).second) item.fail("stands twice in this list");
}

void parse_collectives(const ConfigNode& list, Cluster& cluster) {
  std::set<std::tuple<Collective, GroupShape>> seen;
  for (const ConfigNode& item : list.items()) {
    const CollectiveSeries& series = cluster.collectives.emplace_back(parse_collective(item));
    reject_twin(seen, {series.op, series.group}, item);
  }
}

void parse_kernels(const ConfigNode& list, Cluster& cluster) {
  std::set<std::tuple<Operator, Pass, KernelShape>> seen;
  for (const ConfigNode& item : list.items()) {
    const KernelSeries& series = cluster.kernels.emplace_back(parse_kernel(item));
    reject_twin(seen, {series.op, series.pass, series.shape}, item);
  }
}

void parse_kernel_fits(const ConfigNode& list, Cluster& cluster) {
  std::set<std::tuple<Operator, Pass, std::optional<int>>> seen;
  for (const ConfigNode& item : list.items()) {
    const KernelFit& fit = cluster.kernel_fits.emplace_back(parse_kernel_fit(item));
    reject_twin(seen, {fit.op, fit.pass, fit.gated}, item);
  }
}

Topology parse_topology(const ConfigNode& node) {
  node.expect_keys({"nodes", "devices_per_node"});
  const Topology topology{.nodes = static_cast<int>(node["nodes"].as_int(1, kMaxRanks)),
                          .devices_per_node = static_cast<int>(node["devices_per_node"].as_int(1, kMaxRanks))};
  if (std::int64_t{topology.nodes} * topology.devices_per_node > kMaxRanks) node.fail("has more than 2^24 ranks");
  return topology;
}

DeviceSpec parse_device(const ConfigNode& node) {
  node.expect_keys({"peak", "memory_bandwidth", "memory"});
  const DeviceSpec device{.peak = node["peak"].as_flops_per_second(),
                          .memory_bandwidth = node["memory_bandwidth"].as_bytes_per_second(),
                          .memory = node["memory"].as_bytes()};
  if (device.peak < FlopsPerSecond(1.0)) node["peak"].fail("found zero or next to it, expected at least 1 FLOP/s");
  if (device.memory_bandwidth < BytesPerSecond(1.0))
    node["memory_bandwidth"].fail("found zero or next to it, expected at least 1 B/s");
  return device;
}

// ---- writing ----

void write_measured(YamlWriter& writer, const MeasuredPoint& point) {
  writer.entry("median", to_exact_text(point.median))
      .entry("low", to_exact_text(point.low))
      .entry("high", to_exact_text(point.high))
      .entry("repeats", point.repeats);
  if (!point.source.empty()) writer.entry("source", point.source);
}

void write_residual(YamlWriter& writer, const FitResidual& residual) {
  if (residual == FitResidual{}) return;  // published without one
  writer.begin_flow_map("residual")
      .entry("median", residual.median)
      .entry("p90", residual.p90)
      .entry("max", residual.max)
      .entry("r_squared", residual.r_squared)
      .end();
}

void write_collective(YamlWriter& writer, const CollectiveSeries& series) {
  writer.begin_map().entry("op", to_text(series.op));
  writer.begin_flow_map("group")
      .entry("nodes", series.group.nodes)
      .entry("ranks_per_node", series.group.ranks_per_node)
      .end();
  if (!series.source.empty()) writer.entry("source", series.source);
  if (series.line) {
    writer.begin_flow_map("line")
        .entry("alpha", to_exact_text(series.line->alpha))
        .entry("beta", to_exact_text(series.line->beta));
    write_residual(writer, series.line->residual);
    writer.end();
  }
  if (!series.points.empty()) {
    writer.begin_list("points");
    for (const CollectivePoint& point : series.points) {
      writer.begin_flow_map().entry("buffer", to_exact_text(point.buffer));
      write_measured(writer, point.time);
      if (point.compute_share > 0.0) writer.entry("compute_share", point.compute_share);
      writer.end();
    }
    writer.end();
  }
  writer.end();
}

void write_kernel(YamlWriter& writer, const KernelSeries& series) {
  writer.begin_map().entry("op", to_text(series.op)).entry("pass", to_text(series.pass));
  writer.begin_flow_map("shape");
  for (const ShapeField& field : kShapeFields) {
    if (field.get(series.shape) != 0) writer.entry(field.name, field.get(series.shape));
  }
  writer.end();
  writer.begin_list("points");
  for (const KernelPoint& point : series.points) {
    writer.begin_flow_map().entry("rows", point.rows);
    write_measured(writer, point.time);
    writer.end();
  }
  writer.end().end();
}

void write_kernel_fit(YamlWriter& writer, const KernelFit& fit) {
  writer.begin_flow_map().entry("op", to_text(fit.op)).entry("pass", to_text(fit.pass));
  if (fit.gated) writer.entry("gated", *fit.gated);
  if (!fit.source.empty()) writer.entry("source", fit.source);
  writer.entry("alpha", to_exact_text(fit.alpha))
      .entry("gamma", to_exact_text(fit.gamma))
      .entry("beta", to_exact_text(fit.beta));
  write_residual(writer, fit.residual);
  writer.end();
}

void write_head(YamlWriter& writer, const Cluster& cluster) {
  writer.entry("schema", kSchema).entry("name", cluster.name);
  if (!cluster.aliases.empty()) {
    writer.begin_flow_list("aliases");
    for (const std::string& alias : cluster.aliases) writer.item(alias);
    writer.end();
  }
  writer.entry("source", cluster.source);
  writer.begin_flow_map("topology")
      .entry("nodes", cluster.topology.nodes)
      .entry("devices_per_node", cluster.topology.devices_per_node)
      .end();
  writer.entry("backend", cluster.backend)
      .entry("machine", cluster.machine)
      .entry("date", cluster.date)
      .entry("element_bytes", cluster.element_bytes);
  writer.begin_flow_map("device")
      .entry("peak", to_exact_text(cluster.device.peak))
      .entry("memory_bandwidth", to_exact_text(cluster.device.memory_bandwidth))
      .entry("memory", to_exact_text(cluster.device.memory))
      .end();
  writer.entry("launch_latency", to_exact_text(cluster.launch_latency));
  if (cluster.synchronization > Seconds(0.0)) {
    writer.entry("synchronization", to_exact_text(cluster.synchronization));
  }
}

void write_contention(YamlWriter& writer, const Contention& contention) {
  writer.begin_flow_map()
      .entry("victim", to_text(contention.victim))
      .entry("aggressor", to_text(contention.aggressor))
      .entry("factor", contention.factor);
  if (contention.delay > Seconds(0.0)) writer.entry("delay", to_exact_text(contention.delay));
  writer.end();
}

Resource parse_resource(const ConfigNode& node) {
  for (int r = 0; r < kNumResources; ++r) {
    if (node.as_string() == to_text(Resource(r))) return Resource(r);
  }
  node.fail(fmt::format("'{}' is none of: compute, intra, inter, host", node.as_string()));
}

void parse_contention(const ConfigNode& list, Cluster& cluster) {
  std::set<std::tuple<Resource, Resource>> seen;
  for (const ConfigNode& item : list.items()) {
    item.expect_keys({"victim", "aggressor", "factor"}, {"delay"});
    cluster.contention.push_back({.victim = parse_resource(item["victim"]),
                                  .aggressor = parse_resource(item["aggressor"]),
                                  .factor = item["factor"].as_double(1.0, 1e6),
                                  .delay = item.has("delay") ? item["delay"].as_seconds() : Seconds(0.0)});
    reject_twin(seen, {cluster.contention.back().victim, cluster.contention.back().aggressor}, item);
  }
}

template <typename Series>
void write_list(YamlWriter& writer, std::string_view key, const std::vector<Series>& series,
                void (*write)(YamlWriter&, const Series&)) {
  writer.begin_list(key);
  for (const Series& each : series) write(writer, each);
  writer.end();
}

}  // namespace

Cluster parse_cluster(const ConfigNode& node) {
  node.expect_keys({"schema", "name", "source", "topology", "backend", "machine", "date", "element_bytes", "device",
                    "launch_latency", "collectives", "kernels", "kernel_fits"},
                   {"aliases", "synchronization", "contention", "reference"});
  node.expect_schema(kSchema);
  Cluster cluster;
  cluster.name = node["name"].as_string();
  if (node.has("aliases")) {
    for (const ConfigNode& alias : node["aliases"].items()) cluster.aliases.push_back(alias.as_string());
  }
  cluster.source = node["source"].as_string();
  cluster.topology = parse_topology(node["topology"]);
  cluster.backend = node["backend"].as_string();
  cluster.machine = node["machine"].as_string();
  cluster.date = node["date"].as_string();
  cluster.element_bytes = static_cast<int>(node["element_bytes"].as_int(1, 8));
  cluster.device = parse_device(node["device"]);
  cluster.launch_latency = node["launch_latency"].as_seconds();
  if (node.has("synchronization")) cluster.synchronization = node["synchronization"].as_seconds();
  if (node.has("contention")) parse_contention(node["contention"], cluster);
  parse_collectives(node["collectives"], cluster);
  parse_kernels(node["kernels"], cluster);
  parse_kernel_fits(node["kernel_fits"], cluster);
  if (node.has("reference")) cluster.reference = parse_reference(node["reference"]);
  return cluster;
}

Cluster load_cluster(const std::filesystem::path& path) {
  return parse_cluster(ConfigNode::load_file(path));
}

std::string cluster_to_yaml(const Cluster& cluster) {
  YamlWriter writer;
  writer.begin_map();
  write_head(writer, cluster);
  if (!cluster.contention.empty()) write_list(writer, "contention", cluster.contention, write_contention);
  write_list(writer, "collectives", cluster.collectives, write_collective);
  write_list(writer, "kernels", cluster.kernels, write_kernel);
  write_list(writer, "kernel_fits", cluster.kernel_fits, write_kernel_fit);
  if (cluster.reference) {
    writer.begin_map("reference");
    write_reference(writer, *cluster.reference);
    writer.end();
  }
  writer.end();
  return writer.text();
}

}  // namespace sextant
