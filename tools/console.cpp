#include "tools/console.h"

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <ctime>

#include "executor/runtime/runtime.h"

namespace sextant {

bool is_speaking_rank() {
  if (detect_backend() == Backend::kLocal) return true;
  // Open MPI, PMIx and PMI launchers, srun, torchrun conventions.
  for (const char* name : std::array{"OMPI_COMM_WORLD_RANK", "PMIX_RANK", "PMI_RANK", "SLURM_PROCID", "RANK"}) {
    if (const char* rank = std::getenv(name)) return std::atoi(rank) == 0;
  }
  return true;
}

bool is_terminal(std::FILE* stream) { return isatty(fileno(stream)) != 0; }

void tell_error(const std::string& message) {
  if (is_speaking_rank()) fmt::print(stderr, "sextant: {}\n", message);
}

void warn(const std::string& message) {
  if (is_speaking_rank()) fmt::print(stderr, "sextant: warning: {}\n", message);
}

std::string current_date() { return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr))); }

}  // namespace sextant
