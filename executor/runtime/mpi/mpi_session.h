// The one owner of MPI_Init and MPI_Finalize, and the place where MPI's codes become errors.
#pragma once

#include <atomic>
#include <string>

#include <mpi.h>

#include "models/units.h"

namespace sextant {

// Throws BackendError "<what>: <MPI's text>" unless `code` is MPI_SUCCESS.
void check_mpi(int code, const std::string& what);

class MpiSession {
 public:
  // Initialises MPI with MPI_THREAD_MULTIPLE; its errors become codes. Throws BackendError when MPI
  // grants fewer threads, when it was initialised before in this process, or when it sees another
  // number of ranks than the launcher's environment names (an MPI library unknown to the launcher).
  // Where other ranks do not come within `start_up_patience`, ends the process (mpi_deadline.h).
  explicit MpiSession(Seconds start_up_patience);
  // Finalises, collectively over the job; with the same patience.
  ~MpiSession();
  MpiSession(const MpiSession&) = delete;
  MpiSession& operator=(const MpiSession&) = delete;

  // Of one launch().
  void begin(Seconds patience) {
    patience_ = patience;
    is_abandoned_ = false;
  }
  [[nodiscard]] int rank() const { return rank_; }
  [[nodiscard]] int size() const { return size_; }
  [[nodiscard]] Seconds patience() const { return patience_; }

  // Once this rank has failed, waits for other ranks end soon instead of after the patience.
  void abandon() { is_abandoned_ = true; }
  [[nodiscard]] bool is_abandoned() const { return is_abandoned_; }
  // The launcher asks this process to end (SIGTERM), as when another rank has died: waits for other ranks
  // end at once. A second SIGTERM ends the process.
  [[nodiscard]] static bool is_asked_to_end();
  // Ranks have hosts of their own, so that messages go through a network, and not through shared memory alone.
  void note_network() { has_network_ = true; }
  [[nodiscard]] bool has_network() const { return has_network_; }
  // A wait was given up, so MPI still owns a request and its buffers: nothing can be freed or
  // finalised in order any more, and the process can only end by MPI_Abort.
  void note_unfinished() { has_unfinished_ = true; }
  [[nodiscard]] bool has_unfinished() const { return has_unfinished_; }

 private:
  int rank_ = 0;
  int size_ = 1;
  Seconds start_up_patience_;
  Seconds patience_{0.0};
  std::atomic<bool> is_abandoned_ = false;
  std::atomic<bool> has_unfinished_ = false;
  bool has_network_ = false;
};

}  // namespace sextant
