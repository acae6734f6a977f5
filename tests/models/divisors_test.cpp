#include "models/divisors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace sextant {
namespace {

using ::testing::ElementsAre;

TEST(Divisors, AreAscendingFromOneToTheNumber) {
  EXPECT_THAT(divisors(12), ElementsAre(1, 2, 3, 4, 6, 12));
  EXPECT_THAT(divisors(1), ElementsAre(1));
  EXPECT_THAT(divisors(7), ElementsAre(1, 7));
}

TEST(Divisors, EndAtTheLimit) {
  EXPECT_THAT(divisors(12, 5), ElementsAre(1, 2, 3, 4));
  EXPECT_THAT(divisors(12, 100), ElementsAre(1, 2, 3, 4, 6, 12));
}

}  // namespace
}  // namespace sextant
