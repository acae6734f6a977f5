#include "tools/output_file.h"

#include <fmt/format.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string>

#include "models/error.h"

namespace sextant {

void check_writable(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.has_parent_path() ? path.parent_path() : ".";
  int error = 0;
  if (std::filesystem::is_directory(path)) {
    error = EISDIR;
  } else if (access(folder.c_str(), W_OK | X_OK) != 0) {
    error = errno;
  }
  if (error != 0) throw ConfigError(fmt::format("{}: cannot be written ({})", path.string(), std::strerror(error)));
}

}  // namespace sextant
