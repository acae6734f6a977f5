#include "tools/hugging_face/json_config.h"

#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

constexpr IntRange kTen{1, 10};

JsonConfig example() {
  return JsonConfig::parse(R"({"a": 3, "b": true, "c": "text", "d": [1, 2], "e": ["x", "y"], "f": 0.5, "g": null,
                               "h": {"a": 4, "bad": -1}, "i": 3, "j": 11, "k": 1e30, "l": 18446744073709551615})",
                           "config.json");
}

TEST(JsonConfig, GivesWhatIsThere) {
  const JsonConfig config = example();
  EXPECT_EQ(config.origin(), "config.json");
  EXPECT_EQ(config.integer("a", kTen), 3);
  EXPECT_EQ(config.integer_or("a", kTen, 7), 3);
  EXPECT_TRUE(config.boolean_or("b", false));
  EXPECT_EQ(config.text("c"), "text");
  EXPECT_THAT(config.integers_or_none("d", kTen), ElementsAre(1, 2));
  EXPECT_THAT(config.texts("e"), ElementsAre("x", "y"));
  EXPECT_EQ(config.number_or("f", 1.0), 0.5);
  EXPECT_EQ(config.number_or("a", 1.0), 3.0);
  EXPECT_EQ(config.section("h").integer("a", kTen), 4);
}

TEST(JsonConfig, TakesNullForAbsent) {
  const JsonConfig config = example();
  for (const char* key : {"g", "nowhere"}) {
    EXPECT_FALSE(config.has(key));
    EXPECT_EQ(config.integer_or(key, kTen, 7), 7);
    EXPECT_EQ(config.number_or(key, 1.5), 1.5);
    EXPECT_TRUE(config.boolean_or(key, true));
    EXPECT_THAT(config.integers_or_none(key, kTen), IsEmpty());
    EXPECT_EQ(error_text<ConfigError>([&] { static_cast<void>(config.integer(key, kTen)); }),
              std::string("config.json: ") + key + ": missing; allowed: a whole number in [1, 10]");
  }
}

TEST(JsonConfig, SaysFileKeyFindingAndWhatIsAllowed) {
  const JsonConfig config = example();
  const auto integer = [&](const char* key) {
    return error_text<ConfigError>([&] { static_cast<void>(config.integer(key, kTen)); });
  };
  EXPECT_EQ(integer("b"), "config.json: b: found true; allowed: a whole number in [1, 10]");
  EXPECT_EQ(integer("c"), "config.json: c: found \"text\"; allowed: a whole number in [1, 10]");
  EXPECT_EQ(integer("f"), "config.json: f: found 0.5; allowed: a whole number in [1, 10]");
  EXPECT_EQ(integer("j"), "config.json: j: found 11; allowed: a whole number in [1, 10]");
  EXPECT_THAT(integer("k"), HasSubstr("k: found 1e+30"));
  EXPECT_THAT(integer("l"), HasSubstr("l: found 18446744073709551615"));
  EXPECT_EQ(error_text<ConfigError>([&] { static_cast<void>(config.section("h").integer("bad", kTen)); }),
            "config.json: h.bad: found -1; allowed: a whole number in [1, 10]");
  EXPECT_EQ(error_text<ConfigError>([&] { static_cast<void>(config.section("h").number_or("bad", 0.0)); }),
            "config.json: h.bad: found -1; allowed: a number that is not negative");
  EXPECT_EQ(error_text<ConfigError>([&] { static_cast<void>(config.boolean_or("a", false)); }),
            "config.json: a: found 3; allowed: true, false");
  EXPECT_EQ(error_text<ConfigError>([&] { config.refuse("c", "x"); }), "config.json: c: found \"text\"; allowed: x");
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.text("a")); }), HasSubstr("allowed: a text"));
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.section("a")); }),
              HasSubstr("allowed: an object"));
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.texts("d")); }), HasSubstr("allowed: texts"));
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.texts("a")); }),
              HasSubstr("allowed: a list of texts"));
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.integers_or_none("e", kTen)); }),
              HasSubstr("e: found \"x\""));
  EXPECT_THAT(error_text<ConfigError>([&] { static_cast<void>(config.integers_or_none("a", kTen)); }),
              HasSubstr("allowed: a list of whole numbers"));
}

TEST(JsonConfig, ShowsTextOfTheUserInOneShortLine) {
  const JsonConfig config = JsonConfig::parse("{\"a\": \"x\\n\\u0000" + std::string(100, 'y') + "\"}", "config.json");
  const std::string message = error_text<ConfigError>([&] { config.refuse("a", "x"); });
  EXPECT_THAT(message, HasSubstr("a: found \"x\\n\\u0000yyy"));
  EXPECT_THAT(message, HasSubstr("yyy...; allowed: x"));
  EXPECT_LT(message.size(), 100);
}

TEST(JsonConfig, FindsTheSpellingThatIsThere) {
  const JsonConfig config = example();
  EXPECT_EQ(config.spelling({"x", "a"}), "a");
  EXPECT_EQ(config.spelling({"i", "a"}), "i");  // both 3
  EXPECT_EQ(config.spelling({"x", "y"}), "x");
  EXPECT_EQ(error_text<ConfigError>([&] {
              static_cast<void>(config.spelling({"a", "j"}));
            }),
            "config.json: j: found 11 beside a 3; allowed: one of them, or both alike");
}

TEST(JsonConfig, NamesThePlaceWhereItIsNoJson) {
  const auto parse = [](const std::string& text) {
    return error_text<ConfigError>([&] { static_cast<void>(JsonConfig::parse(text, "config.json")); });
  };
  EXPECT_THAT(parse("{\n  \"a\": 1,\n  b: 2\n}"), HasSubstr("config.json:3:3: not JSON"));
  EXPECT_THAT(parse(""), HasSubstr("config.json:1:1: not JSON"));
  EXPECT_THAT(parse("[1]"), HasSubstr("config.json: found array, expected an object"));
  EXPECT_THAT(parse("{\"a\": 1e999}"), HasSubstr("config.json: found a number that"));
  EXPECT_EQ(parse("{\"a\": \"\n\"}").find('\n'), std::string::npos);
}

}  // namespace
}  // namespace sextant
