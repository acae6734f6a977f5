// The progress bar of a profile.
#pragma once

#include <string>

#include "profiler/progress.h"

namespace sextant {

// "[#########-----------]  45 %  12/27  all_to_all 1x4 64 KiB"
[[nodiscard]] std::string profile_progress_line(const ProfileProgress& progress);

}  // namespace sextant
