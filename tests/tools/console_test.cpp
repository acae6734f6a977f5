#include "tools/console.h"

#include <cstdlib>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant {
namespace {

// What launchers set; cleared before and after every test.
class SpeakingRank : public ::testing::Test {
 protected:
  SpeakingRank() { clear(); }
  ~SpeakingRank() override { clear(); }
  static void launch_as(const char* rank) {
    setenv("OMPI_COMM_WORLD_RANK", rank, 1);
    setenv("OMPI_COMM_WORLD_SIZE", "4", 1);
  }

 private:
  static void clear() {
    unsetenv("OMPI_COMM_WORLD_RANK");
    unsetenv("OMPI_COMM_WORLD_SIZE");
  }
};

TEST_F(SpeakingRank, IsEveryProcessThatWasNotLaunchedAsARank) {
  EXPECT_TRUE(is_speaking_rank());
}

TEST_F(SpeakingRank, IsRankZeroOfAJobAndNoOther) {
  launch_as("0");
  EXPECT_TRUE(is_speaking_rank());
  launch_as("3");
  EXPECT_FALSE(is_speaking_rank());
}

TEST_F(SpeakingRank, ErrorsAndWarningsAreToldOnce) {
  ::testing::internal::CaptureStderr();
  tell_error("x.yaml: no such file");
  warn("old file");
  launch_as("1");
  tell_error("again");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "sextant: x.yaml: no such file\nsextant: warning: old file\n");
}

TEST(CurrentDate, IsIso8601InUtc) {
  EXPECT_THAT(current_date(), ::testing::ContainsRegex("^[0-9]+-[0-9]+-[0-9]+T[0-9]+:[0-9]+:[0-9]+Z$"));
}

}  // namespace
}  // namespace sextant
