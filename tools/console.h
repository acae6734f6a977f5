// Who speaks to the user: of all ranks of a job, one.
#pragma once

#include <cstdio>
#include <string>

namespace sextant {

// True in a process that was not launched as a rank, and in rank 0 of a launched job. Known before the
// back end is up, so that a mistake on the command line is told once.
[[nodiscard]] bool is_speaking_rank();
[[nodiscard]] bool is_terminal(std::FILE* stream);
// "sextant: ..." on stderr, once over all processes.
void tell_error(const std::string& message);
// "sextant: warning: ..." on stderr, once over all processes.
void warn(const std::string& message);
// Now, UTC, "2025-01-31T12:00:00Z".
[[nodiscard]] std::string current_date();

}  // namespace sextant
