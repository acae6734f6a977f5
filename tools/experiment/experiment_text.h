// What an experiment found, as tables for the terminal.
#pragma once

#include <string>

#include "tools/experiment/experiment_results.h"

namespace sextant {

// Errors of the predictions, errors and distance from the lower bound by schedule, speed-ups over each reference
// by group of cases, and for each name the plan picked beside the fastest. REQUIRES: as experiment_json.
[[nodiscard]] std::string experiment_text(const ExperimentResults& results);

}  // namespace sextant
