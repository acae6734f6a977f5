// What a refit found, for the terminal and as JSON.
#pragma once

#include <string>

#include "profiler/refit.h"

namespace sextant {

// A row for each term, a line that names the one most wrong, and the prediction of the run's own step before and now.
[[nodiscard]] std::string refit_table(const Refit& refit);
// `cluster_file` is empty where none was written.
[[nodiscard]] std::string refit_json(const Refit& refit, const std::string& cluster_file);

}  // namespace sextant
