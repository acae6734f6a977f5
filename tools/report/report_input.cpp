#include "tools/report/report_input.h"

#include <algorithm>
#include <array>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "models/error.h"
#include "tools/run_folder.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::json;

constexpr const char* kRunSchema = "sextant/run@1";

std::string read_text(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return text.str();
}

// Throws ConfigError unless `json` is an object in which every one of `keys` is there.
template <std::size_t N>
void require_keys(const Json& json, const std::array<const char*, N>& keys, const std::string& where) {
  if (!json.is_object()) throw ConfigError(fmt::format("{}: found {}, expected an object", where, json.type_name()));
  for (const char* key : keys) {
    if (!json.contains(key)) throw ConfigError(fmt::format("{}: key \"{}\" is missing", where, key));
  }
}

// nlohmann-json names the byte at which it gave up; `first_line` is that of the text in its file.
Json parse_json(const std::string& text, const fs::path& path, std::int64_t first_line) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    const auto line = first_line + std::count(text.begin(), end, '\n');
    throw ConfigError(fmt::format("{}:{}: is not JSON ({})", path.string(), line, error.what()));
  }
}

Json read_summary(const fs::path& path) {
  Json summary = parse_json(read_text(path), path, 1);
  constexpr std::array kKeys{"schema",
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
  if (summary["schema"] != kRunSchema) {
    throw ConfigError(
        fmt::format("{}: schema is {}, expected \"{}\"", path.string(), summary["schema"].dump(), kRunSchema));
  }
  require_keys(summary["timeline"], std::array{"tasks"}, path.string() + ": timeline");
  return summary;
}

std::vector<Json> read_log(const fs::path& path) {
  std::vector<Json> log;
  std::istringstream lines(read_text(path));
  std::string line;
  for (std::int64_t number = 1; std::getline(lines, line); ++number) {
    log.push_back(parse_json(line, path, number));
    require_keys(log.back(), std::array{"step", "loss", "step_time_s"}, fmt::format("{}:{}", path.string(), number));
  }
  return log;
}

ReportItem load_run(const fs::path& path) {
  if (!holds_finished_run(path)) {
    throw ConfigError(fmt::format(
        "{}: holds no finished run (summary.json is missing); expected a plan file or a run folder", path.string()));
  }
  ReportItem item{.name = {}, .path = path, .plan = load_plan(path / "plan.yaml"), .cluster = {}, .run = {}};
  if (fs::exists(path / "cluster.yaml")) item.cluster = load_cluster(path / "cluster.yaml");
  item.run = RunRecord{.summary = read_summary(path / "summary.json"), .log = read_log(path / "log.jsonl")};
  return item;
}

// Folder or file name; where two inputs share it, the whole path as it was given.
void name_items(std::vector<ReportItem>& items) {
  for (ReportItem& item : items) {
    const fs::path clean = fs::absolute(item.path).lexically_normal();
    const fs::path last = clean.has_filename() ? clean : clean.parent_path();
    item.name = item.run ? last.filename().string() : last.stem().string();
  }
  std::vector<std::string> names;
  for (const ReportItem& item : items) names.push_back(item.name);
  for (ReportItem& item : items) {
    if (std::ranges::count(names, item.name) > 1) item.name = item.path.string();
  }
}

}  // namespace

std::vector<ReportItem> load_report_items(const std::vector<fs::path>& inputs) {
  std::vector<ReportItem> items;
  for (const fs::path& path : inputs) {
    if (fs::is_directory(path)) {
      items.push_back(load_run(path));
    } else {
      items.push_back({.name = {}, .path = path, .plan = load_plan(path), .cluster = {}, .run = {}});
    }
  }
  name_items(items);
  return items;
}

}  // namespace sextant
