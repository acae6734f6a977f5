// Takes the place of executor/runtime/mpi/ in builds without MPI.
#include "executor/runtime/mpi/mpi_backend.h"
#include "models/error.h"

namespace sextant {

bool is_mpi_built() {
  return false;
}
bool is_mpi_started() {
  return false;
}

int launch_mpi(const LaunchOptions& /*options*/, const std::function<int(World&)>& /*body*/) {
  throw BackendError("this build has no MPI back end (configure with SEXTANT_WITH_MPI=ON)");
}

}  // namespace sextant
