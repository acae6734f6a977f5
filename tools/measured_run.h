// The traced step of a finished run, read back from its folder.
#pragma once

#include <filesystem>
#include <string>

#include "planner/plan.h"
#include "profiler/refit.h"

namespace sextant {

struct MeasuredRun {
  Plan plan;
  std::string backend;
  MeasuredStep step;
};

// Throws ConfigError that names the file and the task where the folder holds no finished run, or its summary.json is
// not of its plan: a span for each task of the plan's graph on each of its ranks, in seconds, none ending before it
// starts.
[[nodiscard]] MeasuredRun load_measured_run(const std::filesystem::path& folder);

}  // namespace sextant
