#include "models/plain_text.h"

#include <string>

#include <gtest/gtest.h>

namespace sextant {
namespace {

TEST(Utf8Prefix, TakesEveryLengthOfCharacter) {
  const std::string text = "a\u00e9\u20ac\U0001f600";  // 1 + 2 + 3 + 4 bytes
  EXPECT_EQ(utf8_prefix(text), 10U);
  EXPECT_EQ(utf8_prefix(""), 0U);
}

TEST(Utf8Prefix, EndsAtWhatNoCharacterBeginsWith) {
  EXPECT_EQ(utf8_prefix("ab\x80"), 2U);            // a following byte alone
  EXPECT_EQ(utf8_prefix("ab\xc0\x80"), 2U);        // an overlong form of NUL
  EXPECT_EQ(utf8_prefix("\xed\xa0\x80"), 0U);      // half of a surrogate pair
  EXPECT_EQ(utf8_prefix("\xf4\x90\x80\x80"), 0U);  // beyond U+10FFFF
  EXPECT_EQ(utf8_prefix("ab\xe2\x82"), 2U);        // the text ends inside a character
  EXPECT_EQ(utf8_prefix("ab\xe2\x82z\xac"), 2U);
}

TEST(OneLine, HasNoControlCharactersAndNoHalvesOfCharacters) {
  EXPECT_EQ(one_line("a\nb\x1b[1m\x7f", 60), "a?b?[1m?");
  EXPECT_EQ(one_line("12345", 5), "12345");
  EXPECT_EQ(one_line("123456", 5), "12345...");
  EXPECT_EQ(one_line("1234\u20ac", 5), "1234...");
}

TEST(Shown, IsQuotedAndShort) {
  EXPECT_EQ(shown("a\tb"), "\"a?b\"");
  EXPECT_EQ(shown(std::string(61, 'x')), "\"" + std::string(60, 'x') + "...\"");
}

}  // namespace
}  // namespace sextant
