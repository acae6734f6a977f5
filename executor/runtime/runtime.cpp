#include "executor/runtime/runtime.h"

#include <array>
#include <cstdlib>

#include "executor/runtime/local/local_backend.h"
#include "executor/runtime/mpi/mpi_backend.h"
#include "models/error.h"

namespace sextant {
namespace {

// Variables by which a launcher tells a process its place. Both must be set: batch systems define some of
// them for the script that only starts the job.
struct LauncherVariables {
  const char* rank;
  const char* size;
};
constexpr std::array kLaunchers = {
    LauncherVariables{.rank = "OMPI_COMM_WORLD_RANK", .size = "OMPI_COMM_WORLD_SIZE"},  // Open MPI's mpirun
    LauncherVariables{.rank = "PMI_RANK", .size = "PMI_SIZE"},                          // Hydra, srun --mpi=pmi2
    LauncherVariables{.rank = "SLURM_PROCID", .size = "SLURM_STEP_NUM_TASKS"},          // srun
    LauncherVariables{.rank = "RANK", .size = "WORLD_SIZE"},                            // torchrun
};

}  // namespace

std::size_t size_of(DataType type) {
  return type == DataType::kFloat32 ? sizeof(float) : sizeof(double);
}

template <>
DataType data_type_of<float>() {
  return DataType::kFloat32;
}
template <>
DataType data_type_of<double>() {
  return DataType::kFloat64;
}

std::optional<LauncherPlace> launcher_place() {
  for (const LauncherVariables& launcher : kLaunchers) {
    const char* rank = std::getenv(launcher.rank);
    const char* size = std::getenv(launcher.size);
    if (rank != nullptr && size != nullptr) return LauncherPlace{.rank = std::atoi(rank), .size = std::atoi(size)};
  }
  return std::nullopt;
}

Backend detect_backend() {
  return launcher_place() ? Backend::kMpi : Backend::kLocal;
}

bool has_backend(Backend backend) {
  return backend == Backend::kLocal || is_mpi_built();
}

int launch(Backend backend, const LaunchOptions& options, const std::function<int(World&)>& body) {
  return backend == Backend::kLocal ? launch_local(options, body) : launch_mpi(options, body);
}

void throw_in_job(const std::exception_ptr& error) {
  if (detect_backend() == Backend::kMpi && is_mpi_built() && !is_mpi_started()) {
    launch_mpi({}, [&](World&) -> int { std::rethrow_exception(error); });
  }
  std::rethrow_exception(error);
}

}  // namespace sextant
