#include "planner/plan.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <string_view>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr const char* kSchema = "sextant/plan@1";
constexpr int kMaxInFlight = 1024;
constexpr std::int64_t kMaxCount = std::numeric_limits<std::int32_t>::max();
constexpr std::int64_t kMaxElements = std::numeric_limits<std::int64_t>::max() / 2;

void write_layout(YamlWriter& yaml, const ParallelLayout& layout) {
  const ParallelDegrees& d = layout.degrees();
  yaml.begin_flow_map("topology")
      .entry("nodes", layout.topology().nodes)
      .entry("devices_per_node", layout.topology().devices_per_node)
      .end();
  yaml.begin_flow_map("layout")
      .entry("pp", d.pp)
      .entry("dp", d.dp)
      .entry("cp", d.cp)
      .entry("tp", d.tp)
      .entry("edp", d.edp)
      .entry("ep", d.ep)
      .entry("esp", d.esp)
      .end();
}

// "0-3 5 4 6-9": runs of ascending tasks.
std::string order_text(const std::vector<TaskId>& order) {
  std::string text;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = begin + 1;
    while (end < order.size() && order[end] == order[end - 1] + 1) ++end;
    text += fmt::format("{}{}", text.empty() ? "" : " ", order[begin]);
    if (end - begin > 1) text += fmt::format("-{}", order[end - 1]);
  }
  return text;
}

// Reads one run of order_text.
void append_run(const ConfigNode& node, std::string_view run, std::vector<TaskId>& order) {
  const auto task = [&](std::string_view text) {
    TaskId id = kNoTask;
    const auto [stop, error] = std::from_chars(text.data(), text.data() + text.size(), id);
    const bool is_task = error == std::errc() && stop == text.data() + text.size() && id >= 0 && id < kMaxTasks;
    if (!is_task) node.fail(fmt::format("'{}' is no run of tasks such as 3 or 5-9", run));
    return id;
  };
  const std::size_t dash = run.find('-');
  const TaskId first = task(run.substr(0, dash));
  const TaskId last = dash == std::string_view::npos ? first : task(run.substr(dash + 1));
  if (static_cast<std::int64_t>(order.size()) + last - first >= kMaxTasks) {
    node.fail(fmt::format("has more than {} tasks, the most that a step may have", kMaxTasks));
  }
  for (TaskId id = first; id <= last; ++id) order.push_back(id);
}

void write_order(YamlWriter& yaml, const QueueOrders& order) {
  yaml.comment("tasks of each queue in order of issue, numbered as the schedule above gives them");
  yaml.begin_map("order");
  for (int q = 0; q < kNumResources; ++q) {
    if (!order[q].empty()) yaml.entry(to_text(Resource(q)), order_text(order[q]));
  }
  yaml.end();
}

void write_schedule(YamlWriter& yaml, const Schedule& schedule) {
  yaml.begin_map("schedule").entry("policy", to_text(schedule.policy));
  yaml.begin_flow_map("overlap")
      .entry("split_expert_backward", schedule.overlap.split_expert_backward)
      .entry("micro_batches_in_flight", schedule.overlap.micro_batches_in_flight)
      .end();
  yaml.comment("pipeline degrees by layer");
  yaml.begin_list("degrees");
  for (const LayerDegrees& degrees : schedule.degrees) {
    yaml.begin_flow_map().entry("forward", degrees.forward).entry("backward", degrees.backward).end();
  }
  yaml.end();
  yaml.comment("elements [begin, end) of each group's flat gradients and the slot of the backward that reduces them");
  yaml.begin_list("gradients");
  for (const GradientSlice& slice : schedule.gradients) {
    yaml.begin_flow_map()
        .entry("group", to_text(slice.group))
        .entry("begin", slice.begin)
        .entry("end", slice.end)
        .entry("slot", to_text(slice.slot.kind))
        .entry("layer", slice.slot.layer)
        .end();
  }
  yaml.end();
  if (schedule.order) write_order(yaml, *schedule.order);
  yaml.end();
}

void write_prediction(YamlWriter& yaml, const Prediction& p) {
  yaml.begin_map("prediction")
      .entry("step_time", to_exact_text(p.step_time))
      .entry("step_time_low", to_exact_text(p.step_time_low))
      .entry("step_time_high", to_exact_text(p.step_time_high))
      .entry("lower_bound", to_exact_text(p.lower_bound))
      .entry("exposed_communication", to_exact_text(p.exposed_communication))
      .entry("peak_memory", to_exact_text(p.peak_memory))
      .entry("tokens_per_s_per_device", p.tokens_per_s_per_device)
      .entry("mfu", p.mfu)
      .entry("worst_source", to_text(p.worst_source))
      .end();
}

ParallelLayout read_layout(const ConfigNode& root) {
  const ConfigNode topology = root["topology"];
  topology.expect_keys({"nodes", "devices_per_node"});
  const ConfigNode node = root["layout"];
  node.expect_keys({"pp", "dp", "cp", "tp", "edp", "ep", "esp"});
  const auto degree = [&](const char* key) { return node[key].as_count(); };
  const ParallelDegrees degrees{degree("pp"),  degree("dp"), degree("cp"), degree("tp"),
                                degree("edp"), degree("ep"), degree("esp")};
  try {
    return ParallelLayout(degrees, {topology["nodes"].as_count(), topology["devices_per_node"].as_count()});
  } catch (const ConfigError& error) {
    node.fail(error.what());
  }
}

// Reads one of the enumerators `all` by its text; the error lists them.
template <typename Enum, typename Range>
Enum read_enum(const ConfigNode& node, const Range& all) {
  std::string allowed;
  for (const Enum value : all) {
    if (node.as_string() == to_text(value)) return value;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", to_text(value));
  }
  node.fail(fmt::format("'{}' is none of: {}", node.as_string(), allowed));
}

GradientSlice read_slice(const ConfigNode& node, int layers) {
  node.expect_keys({"group", "begin", "end", "slot", "layer"});
  using Kind = GradientSlot::Kind;
  GradientSlice slice;
  slice.group = read_enum<GroupKind>(node["group"], std::array{GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp});
  slice.begin = node["begin"].as_int(0, kMaxElements);
  slice.end = node["end"].as_int(slice.begin + 1, kMaxElements);
  slice.slot.kind = read_enum<Kind>(node["slot"], std::array{Kind::kMoe, Kind::kDense, Kind::kAfterLayer, Kind::kTail});
  slice.slot.layer = static_cast<int>(node["layer"].as_int(0, layers));
  return slice;
}

OverlapOptions read_overlap(const ConfigNode& node) {
  node.expect_keys({"split_expert_backward", "micro_batches_in_flight"});
  return {.split_expert_backward = node["split_expert_backward"].as_bool(),
          .micro_batches_in_flight = static_cast<int>(node["micro_batches_in_flight"].as_int(1, kMaxInFlight))};
}

QueueOrders read_order(const ConfigNode& node) {
  node.expect_keys({}, {"compute", "intra", "inter", "host"});
  QueueOrders order;
  for (int q = 0; q < kNumResources; ++q) {
    if (!node.has(to_text(Resource(q)))) continue;
    const ConfigNode runs = node[to_text(Resource(q))];
    const std::string text = runs.as_string();
    for (std::size_t begin = 0, end = 0; begin < text.size(); begin = end + 1) {
      end = std::min(text.find(' ', begin), text.size());
      append_run(runs, std::string_view(text).substr(begin, end - begin), order[q]);
    }
  }
  return order;
}

Schedule read_schedule(const ConfigNode& node, int layers, std::int64_t capacity) {
  node.expect_keys({"policy", "degrees", "gradients"}, {"overlap", "order"});
  Schedule schedule;
  if (node.has("overlap")) schedule.overlap = read_overlap(node["overlap"]);
  if (node.has("order")) schedule.order = read_order(node["order"]);
  schedule.policy = read_enum<Policy>(node["policy"], all_policies());
  for (const ConfigNode& item : node["degrees"].items()) {
    item.expect_keys({"forward", "backward"});
    schedule.degrees.push_back({static_cast<int>(item["forward"].as_int(1, capacity)),
                                static_cast<int>(item["backward"].as_int(1, capacity))});
  }
  if (schedule.degrees.size() != static_cast<std::size_t>(layers)) {
    node["degrees"].fail(fmt::format("{} entries for {} layers", schedule.degrees.size(), layers));
  }
  for (const ConfigNode& item : node["gradients"].items()) schedule.gradients.push_back(read_slice(item, layers));
  return schedule;
}

Prediction read_prediction(const ConfigNode& node) {
  node.expect_keys({"step_time", "step_time_low", "step_time_high", "lower_bound", "exposed_communication",
                    "peak_memory", "tokens_per_s_per_device", "mfu", "worst_source"});
  Prediction p;
  p.step_time = node["step_time"].as_seconds();
  p.step_time_low = node["step_time_low"].as_seconds();
  p.step_time_high = node["step_time_high"].as_seconds();
  p.lower_bound = node["lower_bound"].as_seconds();
  p.exposed_communication = node["exposed_communication"].as_seconds();
  p.peak_memory = node["peak_memory"].as_bytes();
  constexpr double kMaxRate = std::numeric_limits<double>::max();
  p.tokens_per_s_per_device = node["tokens_per_s_per_device"].as_double(0.0, kMaxRate);
  p.mfu = node["mfu"].as_double(0.0, kMaxRate);
  p.worst_source = read_enum<CostSource>(
      node["worst_source"],
      std::array{CostSource::kMeasured, CostSource::kInterpolated, CostSource::kFitted, CostSource::kDatasheet});
  return p;
}

StepShape read_step(const ConfigNode& root) {
  const ConfigNode batch = root["batch"];
  batch.expect_keys({"micro_batch", "num_micro_batches", "sequence", "element_bytes"});
  StepShape step{parse_network(root["network"]),
                 read_layout(root),
                 batch["micro_batch"].as_int(1, kMaxCount),
                 batch["num_micro_batches"].as_count(),
                 batch["sequence"].as_int(1, kMaxCount),
                 static_cast<int>(batch["element_bytes"].as_int(1, 8))};
  try {
    validate(step);
  } catch (const ConfigError& error) {
    root["layout"].fail(error.what());
  }
  return step;
}

// The slices must cover the buffers that this layout has; building the graph says whether they do.
void check_schedule(const ConfigNode& node, const StepShape& step, const Schedule& schedule) {
  if (most_tasks(step, schedule) > kMaxTasks) {
    node.fail(fmt::format("{} layers in {} micro-batches and these degrees make up to {} tasks; allowed: {}",
                          step.network.layers, step.num_micro_batches, most_tasks(step, schedule), kMaxTasks));
  }
  try {
    static_cast<void>(build_step_graph(step, schedule));
  } catch (const InternalError& error) {
    node.fail(fmt::format("does not fit the layout and network of this plan ({})", error.what()));
  }
}

}  // namespace

std::string plan_to_yaml(const Plan& plan) {
  YamlWriter yaml;
  yaml.begin_map().entry("schema", kSchema);
  yaml.entry("cluster", plan.cluster_name);
  yaml.entry("cluster_hash", plan.cluster_hash);
  yaml.entry("network_hash", plan.network_hash);
  write_layout(yaml, plan.step.layout);
  yaml.begin_flow_map("batch")
      .entry("micro_batch", plan.step.micro_batch)
      .entry("num_micro_batches", plan.step.num_micro_batches)
      .entry("sequence", plan.step.sequence)
      .entry("element_bytes", plan.step.element_bytes)
      .end();
  write_schedule(yaml, plan.schedule);
  write_prediction(yaml, plan.prediction);
  yaml.begin_map("network");
  write_network(yaml, plan.step.network);
  yaml.end().end();
  return yaml.text();
}

Plan load_plan(const std::filesystem::path& path) {
  return parse_plan(ConfigNode::load_file(path));
}

Plan parse_plan(const ConfigNode& root) {
  root.expect_schema(kSchema);
  root.expect_keys({"schema", "cluster", "cluster_hash", "network_hash", "topology", "layout", "batch", "schedule",
                    "prediction", "network"});
  const StepShape step = read_step(root);
  Schedule schedule = read_schedule(root["schedule"], step.network.layers, step.capacity());
  check_schedule(root["schedule"], step, schedule);
  return Plan{step,
              std::move(schedule),
              read_prediction(root["prediction"]),
              root["network_hash"].as_string(),
              root["cluster_hash"].as_string(),
              root["cluster"].as_string()};
}

}  // namespace sextant
