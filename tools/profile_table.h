// What `sextant profile` prints of the cluster that it measured.
#pragma once

#include <filesystem>
#include <string>

#include "models/cluster.h"

namespace sextant {

// Machine, fitted alpha and bandwidth of every collective with residuals, kernel fits.
[[nodiscard]] std::string profile_table(const Cluster& cluster);
// The same as one JSON object; `path` is the cluster file.
[[nodiscard]] std::string profile_json(const Cluster& cluster, const std::filesystem::path& path);

}  // namespace sextant
