#include "planner/plan_yaml.h"

#include <array>
#include <limits>

#include "models/error.h"

namespace sextant {

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

}  // namespace sextant
