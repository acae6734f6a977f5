#include "models/error.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;

TEST(SextantCheck, PassesInSilenceWhenTheConditionHolds) {
  EXPECT_NO_THROW(SEXTANT_CHECK(1 + 1 == 2, "arithmetic"));
}

TEST(SextantCheck, NamesConditionPlaceAndMessage) {
  const int found = 3;
  const std::string text = error_text<InternalError>([&] { SEXTANT_CHECK(found == 4, "found {}", found); });
  EXPECT_THAT(text, HasSubstr("error_test.cpp:"));
  EXPECT_THAT(text, HasSubstr("`found == 4`"));
  EXPECT_THAT(text, HasSubstr("found 3"));
}

TEST(Errors, AreAllCaughtAsError) {
  EXPECT_THROW(throw ConfigError("a"), Error);
  EXPECT_THROW(throw BackendError("b"), Error);
  EXPECT_THROW(throw ModelError("c"), Error);
  EXPECT_THROW(throw InternalError("d"), Error);
}

}  // namespace
}  // namespace sextant
