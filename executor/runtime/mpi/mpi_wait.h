// Waiting for MPI without keeping a core from those who compute.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include <mpi.h>

#include "executor/runtime/mpi/mpi_session.h"

namespace sextant {

// Who waits for what, for messages: "rank 2: all_to_all over ranks 0 1 2 3".
struct MpiWait {
  MpiSession& session;
  std::function<std::string()> who;
  std::optional<Seconds> patience;  // none: for ever
  bool outlives_failure = false;    // goes on after this rank has failed
};

// Asks `is_done` again and again with sleeps between that grow with the time waited. Throws
// BackendError, and notes the session as unfinished, after the patience or soon after this rank failed.
void wait_until(const std::function<bool()>& is_done, const MpiWait& wait);
void wait_for(MPI_Request& request, const MpiWait& wait);

}  // namespace sextant
