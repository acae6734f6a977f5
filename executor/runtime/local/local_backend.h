// Ranks as threads of this process: a whole job on one machine without MPI, and the back end of tests.
#pragma once

#include <functional>

#include "executor/runtime/runtime.h"

namespace sextant {

// launch() of runtime.h for Backend::kLocal. Rethrows the error of the rank that failed first.
int launch_local(const LaunchOptions& options, const std::function<int(World&)>& body);

}  // namespace sextant
