// How a job ends that cannot finalise MPI: one rank tells the user why, and all processes go.
#pragma once

#include <exception>

#include "executor/runtime/mpi/mpi_session.h"
#include "executor/runtime/runtime.h"

namespace sextant {

// `error` is this rank's alone: tells it and ends the job. Where several ranks come here at the same
// time, as those that the launcher asks to end when one has died, one tells and the others are silent.
[[noreturn]] void end_job_alone(const MpiSession& session, const LaunchOptions& options,
                                const std::exception_ptr& error);

// Every rank knows the same error: rank 0 tells it and ends the job, the others wait for that.
[[noreturn]] void end_job_together(const MpiSession& session, const LaunchOptions& options,
                                   const std::exception_ptr& error);

}  // namespace sextant
