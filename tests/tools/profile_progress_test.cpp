#include "tools/profile_progress.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(ProfileProgressLine, ShowsBarShareCountAndWhatRuns) {
  // 12 of 48: a quarter, 5 of 20 marks
  EXPECT_EQ(profile_progress_line({.done = 12, .total = 48, .what = "all_to_all 1x4 64 KiB"}),
            "[#####---------------]  25 %  12/48  all_to_all 1x4 64 KiB");
}

TEST(ProfileProgressLine, AnEmptyProfileIsNotDividedBy) {
  EXPECT_EQ(profile_progress_line({.done = 0, .total = 0, .what = "nothing"}),
            "[--------------------]   0 %  0/1  nothing");
}

}  // namespace
}  // namespace sextant
