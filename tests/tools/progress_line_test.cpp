#include "tools/progress_line.h"

#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>

#include <gtest/gtest.h>

namespace sextant {
namespace {

// What `show` prints for items 1 .. `until` of `total`.
std::string shown(bool is_terminal, int until, int total) {
  std::unique_ptr<std::FILE, int (*)(std::FILE*)> file(std::tmpfile(), std::fclose);
  {
    ProgressLine line(file.get(), is_terminal);
    for (int i = 1; i <= until; ++i) line.show("item " + std::to_string(i), i, total);
  }
  std::rewind(file.get());
  std::string text;
  for (int c = std::fgetc(file.get()); c != EOF; c = std::fgetc(file.get())) text.push_back(static_cast<char>(c));
  return text;
}

TEST(ProgressLine, OffATerminalPrintsTheFirstTheLastAndSomeBetween) {
  const std::string text = shown(false, 100, 100);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 21);  // item 1 and every 5th of 100
  EXPECT_EQ(text.substr(0, 7), "item 1\n");
  EXPECT_EQ(text.substr(text.size() - 9), "item 100\n");
}

TEST(ProgressLine, OnATerminalRewritesOneLine) {
  EXPECT_EQ(shown(true, 2, 2), "\ritem 1\033[K\ritem 2\033[K\n");
}

TEST(ProgressLine, ALineThatIsOpenIsEnded) {
  EXPECT_EQ(shown(true, 1, 3), "\ritem 1\033[K\n");
}

}  // namespace
}  // namespace sextant
