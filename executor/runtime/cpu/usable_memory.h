// Memory that the processes of this machine may still use.
#pragma once

#include <filesystem>

#include "models/units.h"

namespace sextant {

// The smaller of MemAvailable (<root>/proc/meminfo) and the limit of the process's control group or
// of one above it (cgroup v2 and v1). Throws BackendError when
// neither can be read. `root` is "/" but for tests.
[[nodiscard]] Bytes usable_memory(const std::filesystem::path& root = "/");

}  // namespace sextant
