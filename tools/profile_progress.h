// The progress bar of a profile: rewritten in place on a terminal, else a line at every tenth.
#pragma once

#include <cstdio>
#include <string>

#include "profiler/progress.h"

namespace sextant {

// "[#########-----------]  45 %  12/27  all_to_all 1x4 64 KiB"
[[nodiscard]] std::string profile_progress_line(const ProfileProgress& progress);

class ProfileProgressBar {
 public:
  ProfileProgressBar(std::FILE* stream, bool is_terminal) : stream_(stream), is_terminal_(is_terminal) {}
  void show(const ProfileProgress& progress);

 private:
  std::FILE* stream_;
  bool is_terminal_;
  int shown_tenths_ = -1;
};

}  // namespace sextant
