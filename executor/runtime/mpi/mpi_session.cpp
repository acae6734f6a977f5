#include "executor/runtime/mpi/mpi_session.h"

#include <array>

#include "executor/runtime/runtime.h"
#include "models/error.h"

namespace sextant {
namespace {

std::string mpi_text(int code) {
  std::array<char, MPI_MAX_ERROR_STRING> text{};
  int length = 0;
  if (MPI_Error_string(code, text.data(), &length) != MPI_SUCCESS) return fmt::format("code {}", code);
  return {text.data(), static_cast<std::size_t>(length)};
}

}  // namespace

void check_mpi(int code, const std::string& what) {
  if (code == MPI_SUCCESS) return;
  throw BackendError(fmt::format("{}: {}", what, mpi_text(code)));
}

MpiSession::MpiSession() {
  int is_initialised = 0;
  MPI_Initialized(&is_initialised);
  if (is_initialised != 0) throw BackendError("MPI_Init_thread: MPI was already initialised in this process");
  int granted = MPI_THREAD_SINGLE;
  check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &granted), "MPI_Init_thread");
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (granted < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw BackendError("MPI_Init_thread: this MPI library does not support MPI_THREAD_MULTIPLE");
  }
  const std::optional<LauncherPlace> place = launcher_place();
  if (place && place->size != size_) {
    MPI_Finalize();
    throw BackendError(
        fmt::format("MPI_Init_thread: the launcher names {} ranks, MPI sees {}; start the job with the "
                    "mpirun of this MPI library or srun --mpi=pmix",
                    place->size, size_));
  }
}

MpiSession::~MpiSession() {
  MPI_Finalize();
}

}  // namespace sextant
