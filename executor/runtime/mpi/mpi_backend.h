// Ranks as processes of an MPI job. mpi_stub.cpp answers in builds without MPI.
#pragma once

#include <functional>

#include "executor/runtime/runtime.h"

namespace sextant {

[[nodiscard]] bool is_mpi_built();

// launch() of runtime.h for Backend::kMpi.
int launch_mpi(const LaunchOptions& options, const std::function<int(World&)>& body);

}  // namespace sextant
