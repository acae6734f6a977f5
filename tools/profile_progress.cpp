#include "tools/profile_progress.h"

#include <algorithm>

#include <fmt/format.h>

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

}  // namespace sextant
