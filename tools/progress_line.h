// A line that says how far a command is: rewritten in place on a terminal, elsewhere a line now and then.
#pragma once

#include <cstdint>
#include <cstdio>
#include <string>

namespace sextant {

class ProgressLine {
 public:
  ProgressLine(std::FILE* stream, bool is_terminal) : stream_(stream), is_terminal_(is_terminal) {}
  // Ends a line that is open, so that what follows, an error say, starts on its own.
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

  // Shows `text` for item `done` of `total`. Off a terminal only the first, the last and about 20 between.
  void show(const std::string& text, std::int64_t done, std::int64_t total);

 private:
  std::FILE* stream_;
  bool is_terminal_;
  bool is_open_ = false;
};

}  // namespace sextant
