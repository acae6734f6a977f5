// Waiting for MPI without keeping a core from those who compute.
#pragma once

#include <functional>
#include <string>

#include <mpi.h>

#include "executor/runtime/mpi/mpi_session.h"

namespace sextant {

// Who waits for what, for messages: "rank 2: all_to_all over ranks 0 1 2 3".
struct MpiWait {
  MpiSession& session;
  std::function<std::string()> who;
  Seconds patience;
  bool outlives_failure = false;  // goes on after this rank has failed
};

// Throws as below when the process is asked to end: to be called before anything is sent. Open MPI ends a process
// without a word that sends to a rank which has died, and a death is the usual reason to be asked.
void give_up_if_asked(const MpiWait& wait);

// Asks `is_done` again and again with sleeps between that grow with the time waited. Throws
// BackendError, and notes the session as unfinished, after the patience, soon after this rank failed,
// or when the process is asked to end.
void wait_until(const std::function<bool()>& is_done, const MpiWait& wait);
void wait_for(MPI_Request& request, const MpiWait& wait);
// The same for calls that MPI has only blocking; `call` returns MPI's code. When it is given up, `call`
// goes on in a thread of its own until the process ends, so it may refer to nothing on the stack.
void wait_for_call(std::function<int()> call, const MpiWait& wait);

}  // namespace sextant
