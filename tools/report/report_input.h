// What a report compares, as read from plan files and run folders.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "models/cluster.h"
#include "planner/plan.h"

namespace sextant {

// What a run adds to its plan.
struct RunRecord {
  nlohmann::json summary;           // summary.json
  std::vector<nlohmann::json> log;  // log.jsonl, one object a step
};

struct ReportItem {
  std::string name;  // unique among the items of a report
  std::filesystem::path path;
  Plan plan;
  std::optional<Cluster> cluster;  // of a run that was given one
  std::optional<RunRecord> run;    // absent: a plan alone
};

// A file is a plan, a folder a finished run. Throws ConfigError naming the path (and the line, where it
// has one) for anything else. REQUIRES: at least one input.
[[nodiscard]] std::vector<ReportItem> load_report_items(const std::vector<std::filesystem::path>& inputs);

}  // namespace sextant
