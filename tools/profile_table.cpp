#include "tools/profile_table.h"

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

std::string percent(double fraction) {
  return fmt::format("{:.1f} %", 100.0 * fraction);
}

std::string collective_row(const CollectiveSeries& series) {
  const CollectivePoint& last = series.points.back();
  return fmt::format("  {:<15} {}x{:<4} {:>10} {:>12} {:>10} {:>9} {:>9}\n", to_text(series.op), series.group.nodes,
                     series.group.ranks_per_node, to_text(series.line->alpha), to_text(last.buffer / last.time.median),
                     to_text(last.buffer), percent(series.line->residual.median), percent(series.line->residual.p90));
}

std::string kernel_row(const KernelFit& fit) {
  return fmt::format("  {:<15} {:<9} {:>10} {:>14} {:>9} {:>9}\n", to_text(fit.op), to_text(fit.pass),
                     to_text(fit.alpha),
                     fit.gamma.value() > 0.0 ? to_text(FlopsPerSecond(1.0 / fit.gamma.value())) : std::string("-"),
                     percent(fit.residual.median), percent(fit.residual.p90));
}

}  // namespace

std::string profile_table(const Cluster& cluster) {
  std::string text = fmt::format("{}: {} nodes x {} ranks, back end {}\n{}\n", cluster.name, cluster.topology.nodes,
                                 cluster.topology.devices_per_node, cluster.backend, cluster.machine);
  text += fmt::format("products {}, memory {}, hand-over between queues {}\n", to_text(cluster.device.peak),
                      to_text(cluster.device.memory_bandwidth), to_text(cluster.launch_latency));
  text += fmt::format("waiting at a collective {}\n", to_text(cluster.synchronization));
  for (const Contention& one : cluster.contention) {
    text += fmt::format("{} beside {}: {:.2f} times as long", to_text(one.victim), to_text(one.aggressor), one.factor);
    text += one.delay > Seconds(0.0) ? fmt::format(", and {}\n", to_text(one.delay)) : "\n";
  }
  text += fmt::format("\n  {:<15} {:<6} {:>10} {:>12} {:>10} {:>9} {:>9}\n", "collective", "group", "alpha",
                      "bandwidth", "at", "residual", "p90");
  for (const CollectiveSeries& series : cluster.collectives) {
    if (!series.points.empty() && series.line) text += collective_row(series);
  }
  text +=
      fmt::format("\n  {:<15} {:<9} {:>10} {:>14} {:>9} {:>9}\n", "kernel", "pass", "alpha", "rate", "residual", "p90");
  for (const KernelFit& fit : cluster.kernel_fits) text += kernel_row(fit);
  return text + "\n";
}

std::string profile_json(const Cluster& cluster, const std::filesystem::path& path) {
  nlohmann::ordered_json json;
  json["cluster_file"] = path.string();
  json["name"] = cluster.name;
  json["backend"] = cluster.backend;
  json["nodes"] = cluster.topology.nodes;
  json["devices_per_node"] = cluster.topology.devices_per_node;
  json["peak_flops_per_s"] = cluster.device.peak.value();
  json["memory_bandwidth_bytes_per_s"] = cluster.device.memory_bandwidth.value();
  json["launch_latency_s"] = cluster.launch_latency.value();
  json["synchronization_s"] = cluster.synchronization.value();
  json["contention"] = nlohmann::ordered_json::array();
  for (const Contention& one : cluster.contention) {
    json["contention"].push_back({{"victim", to_text(one.victim)},
                                  {"aggressor", to_text(one.aggressor)},
                                  {"factor", one.factor},
                                  {"delay_s", one.delay.value()}});
  }
  json["collectives"] = nlohmann::ordered_json::array();
  for (const CollectiveSeries& series : cluster.collectives) {
    if (!series.line) continue;
    json["collectives"].push_back({{"collective", to_text(series.op)},
                                   {"nodes", series.group.nodes},
                                   {"ranks_per_node", series.group.ranks_per_node},
                                   {"alpha_s", series.line->alpha.value()},
                                   {"beta_s_per_byte", series.line->beta.value()},
                                   {"median_residual", series.line->residual.median}});
  }
  json["kernels"] = nlohmann::ordered_json::array();
  for (const KernelFit& fit : cluster.kernel_fits) {
    json["kernels"].push_back({{"operator", to_text(fit.op)},
                               {"pass", to_text(fit.pass)},
                               {"alpha_s", fit.alpha.value()},
                               {"gamma_s_per_flop", fit.gamma.value()},
                               {"beta_s_per_byte", fit.beta.value()},
                               {"median_residual", fit.residual.median}});
  }
  return json.dump(2) + "\n";
}

}  // namespace sextant
