#include "tools/profile_progress.h"

#include <fmt/format.h>

#include <algorithm>

namespace sextant {
namespace {

constexpr int kBarWidth = 20;

}  // namespace

std::string profile_progress_line(const ProfileProgress& progress) {
  const int total = std::max(progress.total, 1);
  const int done = std::clamp(progress.done, 0, total);
  const auto filled = static_cast<std::size_t>(kBarWidth * done / total);
  return fmt::format("[{}{}] {:3} %  {}/{}  {}", std::string(filled, '#'), std::string(kBarWidth - filled, '-'),
                     100 * done / total, done, total, progress.what);
}

void ProfileProgressBar::show(const ProfileProgress& progress) {
  const bool is_last = progress.done >= progress.total;
  if (is_terminal_) {
    fmt::print(stream_, "\r{}\033[K{}", profile_progress_line(progress), is_last ? "\n" : "");
  } else {
    const int tenths = 10 * progress.done / std::max(progress.total, 1);
    if (tenths == shown_tenths_) return;
    shown_tenths_ = tenths;
    fmt::print(stream_, "{}\n", profile_progress_line(progress));
  }
  std::fflush(stream_);
}

}  // namespace sextant
