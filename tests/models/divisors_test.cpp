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

TEST(Divisors, OfLargeNumbersAreFoundAtOnce) {
  // 2^31 - 1 is prime; 2 * 3 * 5 * 7 * 11 * 13 * 17 * 19 * 23 * 29 has 2^10 divisors.
  EXPECT_THAT(divisors(2147483647), ElementsAre(1, 2147483647));
  EXPECT_EQ(divisors(6469693230, 2147483647).size(), 1021U);  // all but itself, its half and its third
  EXPECT_THAT(divisors(36, 6), ElementsAre(1, 2, 3, 4, 6));
}

}  // namespace
}  // namespace sextant
