// Ranks as processes of an MPI job. mpi_stub.cpp answers in builds without MPI.
#pragma once

#include <functional>

#include "executor/runtime/runtime.h"

namespace sextant {

[[nodiscard]] bool is_mpi_built();
[[nodiscard]] bool is_mpi_started();  // by launch_mpi in this process

// launch() of runtime.h for Backend::kMpi.
int launch_mpi(const LaunchOptions& options, const std::function<int(World&)>& body);

}  // namespace sextant
