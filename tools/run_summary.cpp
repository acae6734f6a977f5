#include "tools/run_summary.h"

#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/layout.h"
#include "models/units.h"
#include "tools/chrome_trace.h"
#include "tools/run_folder.h"
#include "tools/used_resources.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

double prediction_error(const RunResults& results) {
  return results.prediction.step_time / results.summary.step_time.mean - 1.0;
}

std::string percent(double fraction) {
  return fmt::format("{:.1f} %", 100.0 * fraction);
}

Json span_json(const TaskSpan& span) {
  return {span.start.value(), span.end.value()};
}

// Shares of the resources that the graph uses at all.
Json busy_json(const TaskGraph& graph, const ResourceUse& use) {
  Json json = Json::object();
  for (const Resource resource : used_resources(graph)) {
    json[to_text(resource)] = use.busy_fraction[static_cast<int>(resource)];
  }
  return json;
}

Json timeline_json(const RunResults& results) {
  const TrainSummary& summary = results.summary;
  Json tasks = Json::array();
  for (std::size_t id = 0; id < summary.graph.tasks.size(); ++id) {
    const Task& task = summary.graph.tasks[id];
    Json json{{"name", task_name(task)},     {"kind", to_text(task.kind)},      {"phase", to_text(task.phase)},
              {"layer", task.layer},         {"micro_batch", task.micro_batch}, {"chunk", task.chunk},
              {"queue", to_text(task.queue)}};
    if (task.second_queue) json["second_queue"] = to_text(*task.second_queue);
    if (results.prediction.timeline) json["predicted"] = span_json(results.prediction.timeline->spans[id]);
    Json measured = Json::object();
    for (std::size_t rank = 0; rank < summary.traced.ranks.size(); ++rank) {
      measured[std::to_string(rank)] = span_json(summary.traced.ranks[rank].spans[id]);
    }
    json["measured"] = std::move(measured);
    tasks.push_back(std::move(json));
  }
  return {{"step", summary.traced.step}, {"tasks", std::move(tasks)}};
}

void add_times(Json& json, const RunResults& results) {
  const TimeStatistics& measured = results.summary.step_time;
  json["step_time_s"] = {{"mean", measured.mean.value()},
                         {"median", measured.median.value()},
                         {"p10", measured.p10.value()},
                         {"p90", measured.p90.value()}};
  json["predicted_step_time_s"] = results.prediction.step_time.value();
  json["predicted_step_time_interval_s"] = {results.prediction.step_time_low.value(),
                                            results.prediction.step_time_high.value()};
  json["prediction_error"] = prediction_error(results);
}

void add_use(Json& json, const RunResults& results) {
  const TaskGraph& graph = results.summary.graph;
  json["busy_fraction"] = {{"measured", busy_json(graph, results.summary.measured)}};
  if (results.prediction.use) json["busy_fraction"]["predicted"] = busy_json(graph, *results.prediction.use);
  json["exposed_communication_s"] = {{"measured", results.summary.measured.exposed_communication.value()},
                                     {"predicted", results.prediction.exposed_communication.value()}};
}

}  // namespace

std::string step_json(const StepRecord& record) {
  return Json{{"step", record.step},
              {"loss", record.result.loss},
              {"auxiliary_loss", record.result.auxiliary_loss},
              {"gradient_norm", record.result.gradient_norm},
              {"learning_rate", record.result.learning_rate},
              {"dropped_fraction", record.result.dropped_fraction},
              {"step_time_s", record.step_time.value()},
              {"tokens_per_s", record.tokens_per_s}}
      .dump();
}

std::string progress_text(const StepRecord& record, std::int64_t num_steps, Seconds predicted) {
  return fmt::format("step {}/{}  loss {:.4f}  {:.0f} tokens/s  step time {} (predicted {})", record.step, num_steps,
                     record.result.loss, record.tokens_per_s, to_text(record.step_time), to_text(predicted));
}

std::string trace_json(const RunResults& results) {
  const std::vector<Timeline>& ranks = results.summary.traced.ranks;
  const int num_ranks = static_cast<int>(ranks.size());
  std::vector<TraceProcess> processes;
  for (int rank = 0; rank < num_ranks; ++rank) {
    if (results.prediction.timeline) {
      processes.push_back({.name = fmt::format("rank {} predicted", rank),
                           .pid = num_ranks + rank,
                           .sort_index = 2 * rank,
                           .timeline = &*results.prediction.timeline});
    }
    processes.push_back(
        {.name = fmt::format("rank {}", rank), .pid = rank, .sort_index = 2 * rank + 1, .timeline = &ranks[rank]});
  }
  return chrome_trace(results.summary.graph, results.plan.step.element_bytes, processes);
}

std::string summary_json(const RunResults& results) {
  const TrainSummary& summary = results.summary;
  Json json{{"schema", kRunSchema},
            {"date", results.date},
            {"backend", results.backend},
            {"ranks", results.plan.step.layout.world_size()},
            {"data", results.data},
            {"steps", summary.records.back().step},
            {"warmup_steps", summary.num_warmup}};
  add_times(json, results);
  add_use(json, results);
  json["tokens_per_s"] = summary.tokens_per_s;
  json["unigram_entropy_nats"] = results.unigram_entropy_nats;
  json["first_loss"] = summary.first_loss;
  json["last_loss"] = summary.last_loss;
  json["timeline"] = timeline_json(results);
  return json.dump() + "\n";
}

std::string summary_text(const RunResults& results) {
  const TrainSummary& summary = results.summary;
  const TimeStatistics& time = summary.step_time;
  const StepPrediction& prediction = results.prediction;
  std::string text =
      fmt::format("{} steps on {} ranks ({}), {:.0f} tokens/s; the first {} are not counted\n", summary.records.size(),
                  results.plan.step.layout.world_size(), results.backend, summary.tokens_per_s, summary.num_warmup);
  text += fmt::format("loss {:.4f} -> {:.4f} nats (unigram entropy of the text {:.4f})\n\n", summary.first_loss,
                      summary.last_loss, results.unigram_entropy_nats);
  text += fmt::format("{:<22}{:>12}{:>12}\n", "", "measured", "predicted");
  text += fmt::format("{:<22}{:>12}{:>12}   error {:+.1f} %, median {}, p10..p90 {} .. {}, predicted {} .. {}\n",
                      "step time", to_text(time.mean), to_text(prediction.step_time), 100.0 * prediction_error(results),
                      to_text(time.median), to_text(time.p10), to_text(time.p90), to_text(prediction.step_time_low),
                      to_text(prediction.step_time_high));
  for (const Resource resource : used_resources(summary.graph)) {
    const auto r = static_cast<std::size_t>(resource);
    text += fmt::format("{:<22}{:>12}{:>12}\n", fmt::format("busy {}", to_text(resource)),
                        percent(summary.measured.busy_fraction[r]),
                        prediction.use ? percent(prediction.use->busy_fraction[r]) : "-");
  }
  text += fmt::format("{:<22}{:>12}{:>12}\n", "exposed communication", to_text(summary.measured.exposed_communication),
                      to_text(prediction.exposed_communication));
  return text;
}

}  // namespace sextant
