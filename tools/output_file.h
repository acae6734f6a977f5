// Files that a command will write when its work is done.
#pragma once

#include <filesystem>

namespace sextant {

// Throws ConfigError naming the path and the system's reason unless a file can be written at `path`.
// Called before long work, so that it is not lost for a misspelt folder. Leaves nothing behind.
void check_writable(const std::filesystem::path& path);

}  // namespace sextant
