#include "executor/runtime/cpu/usable_memory.h"

#include <algorithm>
#include <fstream>
#include <limits>
#include <optional>
#include <string>

#include "models/error.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

std::optional<double> read_available_bytes(const fs::path& meminfo) {
  constexpr double kBytesPerKibibyte = 1024.0;  // "kB" of this file are 1024 bytes (man 5 proc)
  std::ifstream file(meminfo);
  std::string key;
  double value = 0.0;
  std::string unit;
  while (file >> key >> value) {
    if (key == "MemAvailable:") return value * kBytesPerKibibyte;
    std::getline(file, unit);
  }
  return std::nullopt;
}

// A file of one number; "max" (no limit) does not parse as one.
std::optional<double> read_number(const fs::path& path) {
  std::ifstream file(path);
  double value = 0.0;
  if (file >> value) return value;
  return std::nullopt;
}

// The limits of `group` and of the groups above it. Inside a container the path that /proc names may
// not exist under the mount, while the mount's own files hold the container's limit.
double smallest_limit(const fs::path& mount, const fs::path& group, const char* file_name) {
  double limit = std::numeric_limits<double>::infinity();
  for (fs::path path = group.relative_path();; path = path.parent_path()) {
    if (const auto value = read_number(mount / path / file_name)) limit = std::min(limit, *value);
    if (path.empty()) return limit;
  }
}

double control_group_limit(const fs::path& root) {
  double limit = std::numeric_limits<double>::infinity();
  std::ifstream groups(root / "proc/self/cgroup");
  std::string line;  // hierarchy:controllers:path
  while (std::getline(groups, line)) {
    const std::size_t first = line.find(':');
    const std::size_t second = line.find(':', first + 1);
    if (second == std::string::npos) continue;
    const std::string controllers = line.substr(first + 1, second - first - 1);
    const fs::path path = line.substr(second + 1);
    if (controllers.empty()) {
      limit = std::min(limit, smallest_limit(root / "sys/fs/cgroup", path, "memory.max"));
    } else if (controllers == "memory") {
      limit = std::min(limit, smallest_limit(root / "sys/fs/cgroup/memory", path, "memory.limit_in_bytes"));
    }
  }
  return limit;
}

}  // namespace

Bytes usable_memory(const fs::path& root) {
  const double available =
      read_available_bytes(root / "proc/meminfo").value_or(std::numeric_limits<double>::infinity());
  const double usable = std::min(available, control_group_limit(root));
  if (usable == std::numeric_limits<double>::infinity()) {
    throw BackendError("usable memory: neither /proc/meminfo nor a control group states it");
  }
  return Bytes(usable);
}

}  // namespace sextant
