#include "tools/progress_line.h"

#include <algorithm>

#include <fmt/format.h>

namespace sextant {

ProgressLine::~ProgressLine() {
  if (is_open_) fmt::print(stream_, "\n");
}

void ProgressLine::show(const std::string& text, std::int64_t done, std::int64_t total) {
  const bool is_last = done == total;
  if (is_terminal_) {
    fmt::print(stream_, "\r{}\033[K{}", text, is_last ? "\n" : "");  // ESC [K clears what a longer line left
    is_open_ = !is_last;
  } else {
    const std::int64_t interval = std::max<std::int64_t>(1, total / 20);
    if (done != 1 && !is_last && done % interval != 0) return;
    fmt::print(stream_, "{}\n", text);
  }
  std::fflush(stream_);
}

}  // namespace sextant
