#include "tools/measured_run.h"

#include <cmath>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "planner/schedule.h"
#include "tools/json_file.h"
#include "tools/run_folder.h"

namespace sextant {
namespace {

using Json = nlohmann::json;

constexpr double kLongestStep_s = 1e9;

std::string string_at(const Json& json, const char* key, const std::string& where) {
  const Json& value = json.at(key);
  if (!value.is_string()) throw ConfigError(fmt::format("{}: \"{}\" is {}, expected a text", where, key, value.dump()));
  return value.get<std::string>();
}

double number_of(const Json& value, const std::string& where) {
  const double number = value.is_number() ? value.get<double>() : std::nan("");
  if (number >= 0.0 && number <= kLongestStep_s) return number;
  throw ConfigError(
      fmt::format("{}: found {}, expected seconds from 0 to {:.0e}", where, value.dump(), kLongestStep_s));
}

TaskSpan span_of(const Json& value, const std::string& where) {
  if (!value.is_array() || value.size() != 2) {
    throw ConfigError(fmt::format("{}: found {}, expected [start, end]", where, value.dump()));
  }
  const TaskSpan span{.start = Seconds(number_of(value[0], where)), .end = Seconds(number_of(value[1], where))};
  if (span.end < span.start) throw ConfigError(fmt::format("{}: {} ends before it starts", where, value.dump()));
  return span;
}

// One task's spans, one for each of `ranks`.
void append_spans(const Json& json, const Task& task, std::vector<Timeline>& ranks, const std::string& where) {
  require_keys(json, {"name", "measured"}, where);
  if (json["name"] != task_name(task)) {
    throw ConfigError(
        fmt::format("{}: found {}, the plan has \"{}\" here", where, json["name"].dump(), task_name(task)));
  }
  const Json& measured = json["measured"];
  if (!measured.is_object() || measured.size() != ranks.size()) {
    throw ConfigError(
        fmt::format("{}: \"measured\" has {} ranks, the plan has {}", where, measured.size(), ranks.size()));
  }
  for (std::size_t rank = 0; rank < ranks.size(); ++rank) {
    const std::string key = std::to_string(rank);
    require_keys(measured, {key.c_str()}, where);
    ranks[rank].spans.push_back(span_of(measured[key], fmt::format("{}, rank {}", where, rank)));
  }
}

std::vector<Timeline> ranks_of(const Json& timeline, const Plan& plan, const std::string& where) {
  const TaskGraph graph = build_step_graph(plan.step, plan.schedule);
  require_keys(timeline, {"tasks"}, where);
  const Json& tasks = timeline["tasks"];
  if (!tasks.is_array() || tasks.size() != graph.tasks.size()) {
    throw ConfigError(fmt::format("{}: has {} tasks, the plan has {}", where, tasks.size(), graph.tasks.size()));
  }
  std::vector<Timeline> ranks(static_cast<std::size_t>(plan.step.layout.world_size()));
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    append_spans(tasks[id], graph.tasks[id], ranks, fmt::format("{}, task {}", where, id));
  }
  for (const Timeline& rank : ranks) {
    if (rank.makespan() <= Seconds(0.0)) throw ConfigError(fmt::format("{}: no task took any time on a rank", where));
  }
  return ranks;
}

Seconds mean_step_time(const Json& summary, const std::string& where) {
  require_keys(summary["step_time_s"], {"mean"}, where + ": step_time_s");
  const Seconds mean(number_of(summary["step_time_s"]["mean"], where + ": step_time_s: mean"));
  if (mean <= Seconds(0.0)) throw ConfigError(fmt::format("{}: step_time_s: mean is 0, expected more", where));
  return mean;
}

}  // namespace

MeasuredRun load_measured_run(const std::filesystem::path& folder) {
  if (!holds_finished_run(folder)) {
    throw ConfigError(fmt::format(
        "{}: holds no finished run (summary.json is missing); expected a folder of sextant train", folder.string()));
  }
  const std::filesystem::path path = folder / "summary.json";
  const std::string where = path.string();
  const Json summary = load_json(path);
  require_schema(summary, kRunSchema, path);
  require_keys(summary, {"date", "backend", "step_time_s", "timeline"}, where);
  MeasuredRun run{.plan = load_plan(folder / "plan.yaml"),
                  .backend = string_at(summary, "backend", where),
                  .step = {.run = folder_name(folder),
                           .date = string_at(summary, "date", where),
                           .ranks = {},
                           .mean_step_time = mean_step_time(summary, where)}};
  if (run.plan.step.layout.degrees().pp != 1) {
    throw ConfigError(fmt::format("{}: has pipeline stages, whose ranks run different tasks; expected pp 1",
                                  (folder / "plan.yaml").string()));
  }
  run.step.ranks = ranks_of(summary["timeline"], run.plan, where + ": timeline");
  return run;
}

}  // namespace sextant
