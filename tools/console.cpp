#include "tools/console.h"

#include <ctime>

#include <fmt/chrono.h>
#include <fmt/format.h>
#include <unistd.h>

#include "executor/runtime/runtime.h"

namespace sextant {

bool is_speaking_rank() {
  return launcher_place().value_or(LauncherPlace{}).rank == 0;
}

bool is_terminal(std::FILE* stream) {
  return isatty(fileno(stream)) != 0;
}

void tell_error(const std::string& message) {
  if (is_speaking_rank()) fmt::print(stderr, "sextant: {}\n", message);
}

void warn(const std::string& message) {
  if (is_speaking_rank()) fmt::print(stderr, "sextant: warning: {}\n", message);
}

std::string current_date() {
  return fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(std::time(nullptr)));
}

}  // namespace sextant
