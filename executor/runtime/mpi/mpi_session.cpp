#include "executor/runtime/mpi/mpi_session.h"

#include <array>
#include <csignal>

#include "executor/runtime/mpi/mpi_deadline.h"
#include "executor/runtime/runtime.h"
#include "models/error.h"

namespace sextant {
namespace {

std::atomic<bool> asked_to_end = false;
static_assert(std::atomic<bool>::is_always_lock_free, "a signal handler writes it");

void notice_end_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) { asked_to_end = true; };
  action.sa_flags = static_cast<int>(SA_RESETHAND | SA_RESTART);
  sigaction(SIGTERM, &action, nullptr);
}

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

MpiSession::MpiSession(Seconds start_up_patience) : start_up_patience_(start_up_patience) {
  int is_initialised = 0;
  MPI_Initialized(&is_initialised);
  if (is_initialised != 0) throw BackendError("MPI_Init_thread: MPI was already initialised in this process");
  int granted = MPI_THREAD_SINGLE;
  const std::optional<LauncherPlace> place = launcher_place();
  {
    const MpiDeadline deadline("MPI_Init_thread", place ? place->rank : 0, start_up_patience);
    check_mpi(MPI_Init_thread(nullptr, nullptr, MPI_THREAD_MULTIPLE, &granted), "MPI_Init_thread");
  }
  MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
  MPI_Comm_rank(MPI_COMM_WORLD, &rank_);
  MPI_Comm_size(MPI_COMM_WORLD, &size_);
  if (granted < MPI_THREAD_MULTIPLE) {
    MPI_Finalize();
    throw BackendError("MPI_Init_thread: this MPI library does not support MPI_THREAD_MULTIPLE");
  }
  notice_end_signal();
  if (place && place->size != size_) {
    MPI_Finalize();
    throw BackendError(
        fmt::format("MPI_Init_thread: the launcher names {} ranks, MPI sees {}; start the job with the "
                    "mpirun of this MPI library or srun --mpi=pmix",
                    place->size, size_));
  }
}

bool MpiSession::is_asked_to_end() {
  return asked_to_end;
}

MpiSession::~MpiSession() {
  const MpiDeadline deadline("MPI_Finalize", rank_, start_up_patience_);
  MPI_Finalize();
}

}  // namespace sextant
