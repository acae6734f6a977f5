// What a report compares, as read from plan files, run folders and experiment folders.
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

// What sextant experiment left behind.
struct ReportExperiment {
  std::string name;  // of its folder
  std::filesystem::path path;
  nlohmann::json summary;  // summary.json
};

struct ReportInputs {
  std::vector<ReportItem> items;
  std::vector<ReportExperiment> experiments;
};

// A file is a plan, a folder a finished run or experiment. Throws ConfigError naming the path (and the line, where it
// has one) for anything else. REQUIRES: at least one input.
[[nodiscard]] ReportInputs load_report_inputs(const std::vector<std::filesystem::path>& inputs);

}  // namespace sextant
