// Progress of a profile: how many measurements are done and which one runs.
#pragma once

#include <functional>
#include <string>

namespace sextant {

struct ProfileProgress {
  int done = 0;
  int total = 0;
  std::string what;  // "all_to_all 1x4 64 KiB"
};
// Called on every rank before each measurement; libraries do not print.
using ProgressCallback = std::function<void(const ProfileProgress&)>;

}  // namespace sextant
