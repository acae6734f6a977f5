#include "tools/report/report_input.h"

#include <algorithm>
#include <sstream>

#include <fmt/format.h>

#include "models/error.h"
#include "tools/experiment/experiment_results.h"
#include "tools/json_file.h"
#include "tools/run_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

Json read_summary(const fs::path& path) {
  Json summary = load_json(path);
  const std::initializer_list<const char*> kKeys{"schema",
                                                 "date",
                                                 "backend",
                                                 "ranks",
                                                 "steps",
                                                 "step_time_s",
                                                 "busy_fraction",
                                                 "tokens_per_s",
                                                 "predicted_step_time_s",
                                                 "first_loss",
                                                 "last_loss",
                                                 "exposed_communication_s",
                                                 "timeline",
                                                 "unigram_entropy_nats"};
  require_keys(summary, kKeys, path.string());
  require_schema(summary, kRunSchema, path);
  require_keys(summary["timeline"], {"tasks"}, path.string() + ": timeline");
  return summary;
}

std::vector<Json> read_log(const fs::path& path) {
  std::vector<Json> log;
  std::istringstream lines(load_text(path));
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    log.push_back(parse_json(line, path, number));
    require_keys(log.back(), {"step", "loss", "step_time_s"}, fmt::format("{}:{}", path.string(), number));
  }
  return log;
}

bool is_experiment(const Json& summary) {
  return summary.is_object() && summary.value("schema", Json()) == kExperimentSchema;
}

// The summary.json of a folder, before it is known what kind of folder it is; null where there is none.
Json any_summary(const fs::path& folder) {
  const fs::path path = folder / "summary.json";
  return fs::exists(path) ? load_json(path) : Json();
}

ReportExperiment load_experiment_summary(const fs::path& folder, Json summary) {
  const std::string where = (folder / "summary.json").string();
  require_keys(summary,
               {"date", "backend", "machine", "nodes", "devices_per_node", "plans", "median_abs_error", "p95_abs_error",
                "median_error", "kendall_tau", "regret", "without_contention", "references", "speedups", "choice",
                "by_schedule", "rows", "skipped", "repeat_spread"},
               where);
  for (const Json& group : summary["speedups"]) {
    require_keys(group, {"over", "group", "communication_share", "cases", "schedules"}, where + ": speedups");
  }
  for (const char* key : {"choice", "final"}) {
    const Json choice = summary.value(key, Json());
    if (!choice.is_null()) require_keys(choice, {"names", "mean_regret", "worst_regret"}, where + ": " + key);
  }
  for (const Json& row : summary["rows"]) {
    require_keys(row, {"name", "schedule", "layout", "predicted_s", "predicted_uncontended_s", "measured_s"},
                 where + ": rows");
  }
  return {.name = folder_name(folder), .path = folder, .summary = std::move(summary)};
}

ReportItem load_run(const fs::path& path) {
  if (!holds_finished_run(path)) {
    throw ConfigError(fmt::format(
        "{}: holds no finished run (summary.json is missing); expected a plan file, a run or an experiment folder",
        path.string()));
  }
  ReportItem item{.name = {}, .path = path, .plan = load_plan(path / "plan.yaml"), .cluster = {}, .run = {}};
  if (fs::exists(path / "cluster.yaml")) item.cluster = load_cluster(path / "cluster.yaml");
  item.run = RunRecord{.summary = read_summary(path / "summary.json"), .log = read_log(path / "log.jsonl")};
  return item;
}

// Folder or file name; where two inputs share it, the whole path as it was given.
void name_items(std::vector<ReportItem>& items) {
  for (ReportItem& item : items) item.name = item.run ? folder_name(item.path) : item.path.stem().string();
  std::vector<std::string> names;
  for (const ReportItem& item : items) names.push_back(item.name);
  for (ReportItem& item : items) {
    if (std::ranges::count(names, item.name) > 1) item.name = item.path.string();
  }
}

}  // namespace

ReportInputs load_report_inputs(const std::vector<fs::path>& inputs) {
  ReportInputs found;
  for (const fs::path& path : inputs) {
    if (!fs::is_directory(path)) {
      found.items.push_back({.name = {}, .path = path, .plan = load_plan(path), .cluster = {}, .run = {}});
    } else if (Json summary = any_summary(path); is_experiment(summary)) {
      found.experiments.push_back(load_experiment_summary(path, std::move(summary)));
    } else {
      found.items.push_back(load_run(path));
    }
  }
  name_items(found.items);
  return found;
}

}  // namespace sextant
