#include "tools/report/report_data.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "models/layout.h"
#include "models/memory_model.h"
#include "models/units.h"
#include "models/yaml_io.h"
#include "tools/console.h"
#include "tools/plan_table.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

// A curve of more points than a screen has columns is thinned evenly.
constexpr std::size_t kMaxLogPoints = 2000;

Json memory_json(const Plan& plan) {
  Json terms = Json::array();
  for (const MemoryTerm& term : training_memory(plan.step, plan.schedule.overlap).terms) {
    terms.push_back({{"name", term.name}, {"bytes", term.bytes.value()}});
  }
  return terms;
}

std::string network_text(const Network& network) {
  return fmt::format("{} layers, width {}, {} experts of {} (top {})", network.layers, network.model_dim,
                     network.num_experts, network.expert_hidden_dim, network.top_k);
}

Json plan_texts(const Plan& plan) {
  const StepShape& step = plan.step;
  return {{"layout", to_text(step.layout.degrees())},
          {"policy", to_text(plan.schedule.policy)},
          {"r_fwd", degrees_text(plan.schedule, Pass::kForward)},
          {"r_bwd", degrees_text(plan.schedule, Pass::kBackward)},
          {"network", step.network.name},
          {"network_shape", network_text(step.network)},
          {"network_hash", plan.network_hash},
          {"cluster", plan.cluster_name},
          {"cluster_hash", plan.cluster_hash},
          {"source", to_text(plan.prediction.worst_source)}};
}

// Columns instead of an object a step: {step: [...], loss: [...], ...}.
Json log_json(const std::vector<nlohmann::json>& log) {
  const std::size_t stride = (log.size() + kMaxLogPoints - 1) / kMaxLogPoints;
  Json columns = {{"stride", stride}};
  for (const char* key :
       std::array{"step", "loss", "auxiliary_loss", "gradient_norm", "learning_rate", "step_time_s"}) {
    Json column = Json::array();
    for (std::size_t i = 0; i < log.size(); i += stride) {
      column.push_back(log[i].contains(key) ? Json(log[i][key]) : Json());
    }
    columns[key] = std::move(column);
  }
  return columns;
}

Json item_json(const ReportItem& item) {
  const StepShape& step = item.plan.step;
  Json json{{"name", item.name},
            {"path", item.path.string()},
            {"kind", item.run ? "run" : "plan"},
            {"plan", plan_json(item.plan)},
            {"texts", plan_texts(item.plan)},
            {"ranks", step.layout.world_size()},
            {"global_batch", step.global_batch()},
            {"sequence", step.sequence},
            {"memory", memory_json(item.plan)}};
  if (item.run) {
    json["run"] = item.run->summary;
    json["log"] = log_json(item.run->log);
  }
  return json;
}

Json measured_json(const MeasuredPoint& point) {
  return {{"median", point.median.value()},
          {"low", point.low.value()},
          {"high", point.high.value()},
          {"repeats", point.repeats}};
}

std::string group_text(const GroupShape& group) {
  return group.nodes == 1 ? fmt::format("{} ranks of one node", group.ranks_per_node)
                          : fmt::format("{} nodes x {}", group.nodes, group.ranks_per_node);
}

Json collective_json(const CollectiveSeries& series) {
  Json points = Json::array();
  for (const CollectivePoint& point : series.points) {
    Json json = measured_json(point.time);
    json["bytes"] = point.buffer.value();
    points.push_back(std::move(json));
  }
  Json json{{"op", to_text(series.op)},
            {"group", group_text(series.group)},
            {"points", std::move(points)},
            {"source", series.source}};
  if (series.line) {
    json["line"] = {
        {"alpha_s", series.line->alpha.value()},
        {"beta_s_per_byte", series.line->beta.value()},
        {"text", fmt::format("{} + n / {}", to_text(series.line->alpha),
                             series.line->beta.value() > 0.0 ? to_text(BytesPerSecond(1.0 / series.line->beta.value()))
                                                             : std::string("inf"))},
        {"residual_median", series.line->residual.median},
        {"residual_p90", series.line->residual.p90}};
  }
  return json;
}

std::string shape_text(const KernelShape& shape) {
  struct Part {
    const char* name;
    std::int64_t value;
  };
  const std::array parts{Part{"width", shape.model_dim},      Part{"hidden", shape.hidden_dim},
                         Part{"experts", shape.experts},      Part{"top", shape.top_k},
                         Part{"sequence", shape.sequence},    Part{"heads", shape.heads},
                         Part{"vocabulary", shape.vocabulary}};
  std::string text;
  for (const Part& part : parts) {
    if (part.value != 0) text += fmt::format("{}{} {}", text.empty() ? "" : ", ", part.name, part.value);
  }
  return text;
}

Json kernel_json(const Cluster& cluster, const KernelSeries& series) {
  const auto fit = std::ranges::find_if(cluster.kernel_fits,
                                        [&](const KernelFit& f) { return f.op == series.op && f.pass == series.pass; });
  Json points = Json::array();
  for (const KernelPoint& point : series.points) {
    KernelWork work{.op = series.op, .pass = series.pass, .shape = series.shape};
    work.shape.rows = point.rows;
    const KernelCounts counts = count(work, cluster.element_bytes);
    Json json = measured_json(point.time);
    json["rows"] = point.rows;
    json["flops"] = counts.flops.value();
    if (fit != cluster.kernel_fits.end()) {
      json["fit"] = (fit->alpha + counts.flops * fit->gamma + counts.bytes * fit->beta).value();
    }
    points.push_back(std::move(json));
  }
  Json json{{"op", to_text(series.op)},
            {"pass", to_text(series.pass)},
            {"shape", shape_text(series.shape)},
            {"points", std::move(points)}};
  if (fit != cluster.kernel_fits.end()) {
    json["residual_median"] = fit->residual.median;
    json["residual_p90"] = fit->residual.p90;
  }
  return json;
}

Json cluster_json(const Cluster& cluster, const std::string& hash) {
  Json collectives = Json::array();
  for (const CollectiveSeries& series : cluster.collectives) collectives.push_back(collective_json(series));
  Json kernels = Json::array();
  for (const KernelSeries& series : cluster.kernels) kernels.push_back(kernel_json(cluster, series));
  return {{"name", cluster.name},
          {"hash", hash},
          {"source", cluster.source},
          {"machine", cluster.machine},
          {"date", cluster.date},
          {"backend", cluster.backend},
          {"nodes", cluster.topology.nodes},
          {"devices_per_node", cluster.topology.devices_per_node},
          {"peak", to_text(cluster.device.peak)},
          {"memory_bandwidth", to_text(cluster.device.memory_bandwidth)},
          {"memory", to_text(cluster.device.memory)},
          {"launch_latency", to_text(cluster.launch_latency)},
          {"collectives", std::move(collectives)},
          {"kernels", std::move(kernels)}};
}

Json clusters_json(std::span<const ReportItem> items) {
  std::vector<std::string> seen;
  Json clusters = Json::array();
  for (const ReportItem& item : items) {
    if (!item.cluster) continue;
    const std::string hash = content_hash(cluster_to_yaml(*item.cluster));
    if (std::ranges::count(seen, hash) > 0) continue;
    seen.push_back(hash);
    clusters.push_back(cluster_json(*item.cluster, hash));
  }
  return clusters;
}

}  // namespace

Json report_data(const ReportInputs& inputs) {
  Json list = Json::array();
  for (const ReportItem& item : inputs.items) list.push_back(item_json(item));
  Json experiments = Json::array();
  for (const ReportExperiment& experiment : inputs.experiments) {
    experiments.push_back(
        {{"name", experiment.name}, {"path", experiment.path.string()}, {"summary", experiment.summary}});
  }
  return {{"date", current_date()},
          {"items", std::move(list)},
          {"clusters", clusters_json(inputs.items)},
          {"experiments", std::move(experiments)}};
}

}  // namespace sextant
