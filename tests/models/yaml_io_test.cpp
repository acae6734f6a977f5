#include "models/yaml_io.h"

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <random>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;
using testing::Not;
using testing::StartsWith;

ConfigNode parse(const std::string& text) {
  return ConfigNode::parse(text, "f.yaml");
}

template <typename Body>
std::string config_error(const Body& body) {
  return error_text<ConfigError>(body);
}

TEST(ConfigNode, ReadsEveryKindOfValue) {
  const ConfigNode root = parse(
      "text: a b\nquoted: \"8\"\ntrue_one: true\nfalse_one: false\nnumber: -12\nreal: 2.5e-3\n"
      "time: 2.3 us\namount: 64 KiB\nbandwidth: 25 GB/s\nrate: 1 TFLOP/s\nbeta: 0.1 ns/B\ngamma: 2 s/TFLOP\n"
      "list: [1, two]\nmap: {b: 1, a: 2}\n");
  EXPECT_EQ(root["text"].as_string(), "a b");
  EXPECT_EQ(root["quoted"].as_string(), "8");
  EXPECT_TRUE(root["true_one"].as_bool());
  EXPECT_FALSE(root["false_one"].as_bool());
  EXPECT_EQ(root["number"].as_int(-20, 20), -12);
  EXPECT_EQ(root["real"].as_double(0.0, 1.0), 2.5e-3);
  EXPECT_EQ(root["time"].as_seconds(), Seconds(2.3e-6));
  EXPECT_EQ(root["amount"].as_bytes(), Bytes(65536.0));
  EXPECT_EQ(root["bandwidth"].as_bytes_per_second(), BytesPerSecond(25e9));
  EXPECT_EQ(root["rate"].as_flops_per_second(), FlopsPerSecond(1e12));
  EXPECT_EQ(root["beta"].as_seconds_per_byte(), SecondsPerByte(1e-10));
  EXPECT_EQ(root["gamma"].as_seconds_per_flop(), SecondsPerFlop(2e-12));
  EXPECT_EQ(root["list"].items()[1].as_string(), "two");
  EXPECT_EQ(root["map"].entries()[0].first, "b");
  EXPECT_EQ(root["map"].entries()[1].second.as_count(), 2);
}

TEST(ConfigNode, KnowsWhatItIs) {
  const ConfigNode root = parse("a: 1\nb: [1]\nc: {d: 1}\ne:\n");
  EXPECT_TRUE(root.is_map());
  EXPECT_TRUE(root["a"].is_scalar());
  EXPECT_TRUE(root["b"].is_list());
  EXPECT_TRUE(root["c"].is_map());
  EXPECT_FALSE(root["e"].is_scalar() || root["e"].is_list() || root["e"].is_map());
  EXPECT_TRUE(root.has("a"));
  EXPECT_FALSE(root.has("z"));
}

struct BadAccess {
  const char* value;
  void (*read)(const ConfigNode&);
  const char* message;
};

TEST(ConfigNode, WrongValuesNamePlaceKeyFindingAndWhatIsAllowed) {
  const auto text = [](const ConfigNode& n) { static_cast<void>(n.as_string()); };
  const auto boolean = [](const ConfigNode& n) { static_cast<void>(n.as_bool()); };
  const auto small = [](const ConfigNode& n) { static_cast<void>(n.as_int(0, 9)); };
  const auto number = [](const ConfigNode& n) { static_cast<void>(n.as_count()); };
  const auto real = [](const ConfigNode& n) { static_cast<void>(n.as_double(0.0, 1.0)); };
  const auto amount = [](const ConfigNode& n) { static_cast<void>(n.as_bytes()); };
  const auto time = [](const ConfigNode& n) { static_cast<void>(n.as_seconds()); };
  const auto list = [](const ConfigNode& n) { static_cast<void>(n.items()); };
  const auto map = [](const ConfigNode& n) { static_cast<void>(n.entries()); };
  const BadAccess cases[] = {
      {"[a]", text, "found a list, expected a text"},
      {"{a: b}", text, "found a map, expected a text"},
      {"", text, "found nothing, expected a text"},
      {"~", text, "found nothing"},
      {"yes", boolean, "found \"yes\", expected true or false"},
      {"1", boolean, "expected true or false"},
      {"10", small, "found \"10\", expected a whole number in [0, 9]"},
      {"-1", small, "found \"-1\""},
      {"1e1", small, "found \"1e1\""},
      {"5 apples", small, "found \"5 apples\""},
      {"[5]", small, "found a list"},
      {"", small, "found nothing"},
      {"0", number, "expected a whole number in [1, 2147483647]"},
      {"2147483648", number, "found \"2147483648\""},
      {"9223372036854775808", number, "found \"9223372036854775808\""},
      {"nan", real, "expected a plain number in [0, 1]"},
      {".inf", real, "found \".inf\""},
      {"inf", real, "found \"inf\""},
      {"1e999", real, "found \"1e999\""},
      {"1.5", real, "found \"1.5\""},
      {"0.5x", real, "found \"0.5x\""},
      {"64", amount, "\"64\" has no unit; expected an amount of data"},
      {"64 kib", amount, "unknown unit \"kib\""},
      {"-64 KiB", amount, "is negative"},
      {"nan KiB", amount, "is not finite"},
      {"64 KiB", time, "unknown unit \"KiB\"; expected a duration"},
      {"[1 s]", time, "found a list, expected a text"},
      {"5", list, "found \"5\", expected a list"},
      {"[5]", map, "found a list, expected a map"},
  };
  for (const BadAccess& c : cases) {
    const ConfigNode node = parse(std::string("a: 1\nkey: ") + c.value + "\n")["key"];
    const std::string message = config_error([&] { c.read(node); });
    EXPECT_THAT(message, StartsWith("f.yaml:2:")) << c.value;
    EXPECT_THAT(message, HasSubstr(": key: ")) << c.value;
    EXPECT_THAT(message, HasSubstr(c.message)) << c.value;
  }
}

TEST(ExpectKeys, PointsAtAMisspeltKeyAndOffersTheNearest) {
  const ConfigNode root = parse("num_experts: 8\nmodle_dim: 4\n");
  EXPECT_EQ(config_error([&] {
              root.expect_keys({"num_experts", "model_dim"}, {"layers"});
            }),
            "f.yaml:2:1: unknown key \"modle_dim\" (did you mean \"model_dim\"?); allowed: num_experts, model_dim, "
            "layers");
}

TEST(ExpectKeys, OffersNothingForAKeyThatIsNearToNone) {
  const std::string message = config_error([] { parse("zzzzzz: 1\n").expect_keys({"layers"}); });
  EXPECT_EQ(message, "f.yaml:1:1: unknown key \"zzzzzz\"; allowed: layers");
}

TEST(ExpectKeys, NamesAMissingKeyAndAcceptsOptionalOnes) {
  const ConfigNode root = parse("a: 1\nmap:\n  b: 1\n");
  EXPECT_NO_THROW(root.expect_keys({"a"}, {"map", "c"}));
  EXPECT_EQ(config_error([&] {
              root["map"].expect_keys({"b", "c"});
            }),
            "f.yaml:3:3: map: missing key \"c\"; required: b, c");
  EXPECT_THAT(config_error([&] { root["a"].expect_keys({"b"}); }), HasSubstr("found \"1\", expected a map"));
}

TEST(ConfigNode, SubscriptNamesAMissingKeyOrMap) {
  EXPECT_THAT(config_error([] { static_cast<void>(parse("a: 1")["b"]); }), HasSubstr("missing key \"b\""));
  EXPECT_THAT(config_error([] { static_cast<void>(parse("[1]")["b"]); }), HasSubstr("found a list, expected a map"));
}

TEST(ConfigNode, ColumnsCountFromOne) {
  EXPECT_THAT(config_error([] { parse("{a: 1, b: x}")["b"].fail("no"); }), StartsWith("f.yaml:1:11: b: no"));
}

struct Hostile {
  const char* name;
  std::string text;
  const char* message;
};

std::string repeated(const std::string& text, int count) {
  std::string result;
  for (int i = 0; i < count; ++i) result += text;
  return result;
}

TEST(ConfigNodeParse, HostileTextEndsInOneClearError) {
  const std::string bomb = "a: &a [x, x]\nb: &b [*a, *a]\nc: &c [*b, *b]\n";
  const Hostile cases[] = {
      {"empty", "", "found nothing, expected a YAML map"},
      {"comment only", "# nothing\n", "found nothing"},
      {"two documents", "a: 1\n---\nb: 1\n", "second document"},
      {"duplicate key", "a: 1\nb: 2\na: 3\n", "f.yaml:3:1: found the key \"a\" twice"},
      {"duplicate key in flow", "{a: 1, a: 2}", "f.yaml:1:8: found the key \"a\" twice"},
      {"alias bomb", bomb, "anchors are not allowed"},
      {"alias", "a: *x\n", "f.yaml:1:4"},
      {"tag", "a: !!python/object:os.system x\n", "tags are not allowed"},
      {"list as key", "? [a]\n: 1\n", "found a list as a key"},
      {"map as key", "{{a: b}: c}", "found a map as a key"},
      {"null as key", "~: 1\n", "found nothing as a key"},
      {"deep flow lists", repeated("[", 100000) + repeated("]", 100000), "f.yaml:1:65"},
      {"deep flow maps", repeated("{a: ", 100000) + repeated("}", 100000), "deeper than 64"},
      {"deep unclosed lists", repeated("[", 100000), "f.yaml:1:1"},
      {"deep unclosed maps", repeated("{a: ", 100000), "f.yaml:1:1"},
      {"deep block lists", repeated("- ", 5000) + "x", "deeper than 64"},
      {"unclosed flow", "a: [1, 2", "not YAML"},
      {"unclosed quote", "a: \"x", "not YAML"},
      {"tab indentation", "a:\n\t- b\n", "f.yaml:2"},
      {"bad indentation", "a: 1\n b: 2\n", "f.yaml:2"},
      {"colon soup", ": : :\n", "f.yaml:1"},
      {"bare percent", "%YAML 9.9\n---\na: 1\n", "f.yaml"},
  };
  for (const Hostile& c : cases) {
    const std::string message = config_error([&] { static_cast<void>(parse(c.text)); });
    EXPECT_THAT(message, HasSubstr(c.message)) << c.name;
    EXPECT_THAT(message, StartsWith("f.yaml")) << c.name;
    EXPECT_EQ(message.find('\n'), std::string::npos) << c.name;
    EXPECT_LT(message.size(), 400U) << c.name;
  }
}

TEST(ConfigNodeParse, SixtyFourLevelsAreAllowed) {
  EXPECT_NO_THROW(static_cast<void>(parse(repeated("[", 64) + repeated("]", 64))));
  EXPECT_THROW(static_cast<void>(parse(repeated("[", 65) + repeated("]", 65))), ConfigError);
}

TEST(ConfigNodeParse, LongAndBinaryTextIsShownShortAndPrintable) {
  const std::string message =
      config_error([] { static_cast<void>(parse("a: \"\\x01" + std::string(5000, 'y') + "\"")["a"].as_count()); });
  EXPECT_LT(message.size(), 200U);
  EXPECT_EQ(message.find('\x01'), std::string::npos);
}

TEST(ConfigNodeParse, NoRandomDamageCrashesOrEscapesAsAnotherError) {
  constexpr std::uint64_t kSeed = 9001;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  const std::string good = "schema: x@1\nlist:\n  - {a: 1, b: \"two\"}\n  - [1, 2]\nmap:\n  key: 64 KiB # c\n";
  const std::string alphabet = "{}[]:,-?&*!|>'\"%@`#\n\t ~abc0\\\x01\xff";
  int accepted = 0;
  for (int i = 0; i < 5000; ++i) {
    std::string text = good;
    for (std::uint64_t hits = 1 + random() % 4; hits > 0; --hits) {
      text[random() % text.size()] = alphabet[random() % alphabet.size()];
    }
    try {
      static_cast<void>(parse(text));
      ++accepted;
    } catch (const ConfigError& error) {
      ASSERT_THAT(error.what(), StartsWith("f.yaml"));
    }
  }
  EXPECT_GT(accepted, 0);
  EXPECT_LT(accepted, 5000);
}

TEST(ConfigNode, WithAnEntryOfAnotherPlaceKeepsBothPlaces) {
  const ConfigNode root = parse("a: 1\nb: 2\nvary: [x, y]\n");
  const ConfigNode changed = root.without("vary").with("a", root["vary"].items()[1]);
  EXPECT_NO_THROW(changed.expect_keys({"a", "b"}));
  EXPECT_EQ(changed["a"].as_string(), "y");
  EXPECT_EQ(root["a"].as_string(), "1") << "the original stays";
  EXPECT_THAT(config_error([&] { static_cast<void>(changed["a"].as_count()); }), StartsWith("f.yaml:3:11: a: "));
  EXPECT_THAT(config_error([&] { changed["b"].fail("no"); }), StartsWith("f.yaml:2:4: b: "));
}

TEST(ConfigNodeLoadFile, NamesThePathThatCannotBeRead) {
  const std::filesystem::path folder(testing::TempDir());
  EXPECT_EQ(config_error([] { static_cast<void>(ConfigNode::load_file("/nowhere/x.yaml")); }),
            "/nowhere/x.yaml: cannot be read: No such file or directory");
  EXPECT_THAT(config_error([&] { static_cast<void>(ConfigNode::load_file(folder)); }), HasSubstr("found a directory"));
}

TEST(ConfigNodeLoadFile, RefusesWhatIsLargerThanAnyConfiguration) {
  EXPECT_THAT(config_error([] { static_cast<void>(ConfigNode::load_file("/dev/zero")); }), HasSubstr("larger than"));
}

TEST(ConfigNodeLoadFile, PutsThePathIntoMessages) {
  const std::filesystem::path path = std::filesystem::path(testing::TempDir()) / "yaml_io_test_bad.yaml";
  std::ofstream(path) << "a: 1\nb: [\n";
  EXPECT_THAT(config_error([&] { static_cast<void>(ConfigNode::load_file(path)); }), StartsWith(path.string() + ":"));
}

TEST(ExpectSchema, NamesBothVersions) {
  const ConfigNode root = parse("schema: sextant/plan@2\n");
  EXPECT_NO_THROW(root.expect_schema("sextant/plan@2"));
  EXPECT_EQ(config_error([&] { root.expect_schema("sextant/plan@1"); }),
            "f.yaml:1:9: schema: found \"sextant/plan@2\", expected \"sextant/plan@1\"");
}

TEST(ConfigNodeParse, WhatIsNotUtf8IsRefusedWithItsPlace) {
  EXPECT_EQ(config_error([] { parse("name: a\nother: \xc3("); }), "f.yaml:2:8: found a byte that is not UTF-8");
}

// Where one stands, yaml-cpp stops reading a line, and what is written back would not be what was read.
TEST(ConfigNodeParse, ControlCharactersAreAllowedAsEscapesOnly) {
  EXPECT_EQ(config_error([] { parse(std::string("name: a\nb: \0c", 12)); }), "f.yaml:2:4: found a control character");
  EXPECT_EQ(config_error([] { parse("name: a\x7f"); }), "f.yaml:1:8: found a control character");
  EXPECT_EQ(parse("name: \"a\\0b\"")["name"].as_string(), std::string("a\0b", 3));
  EXPECT_NO_THROW(parse("name: a\r\nother: \"b\tc\"\r\n"));
}

TEST(ConfigNodeParse, MessagesAreOneShortLineWhateverTheTextHolds) {
  // yaml-cpp repeats the character behind the backslash; keys may hold line breaks.
  EXPECT_THAT(config_error([] { parse("name: \"\\\x01\""); }), Not(HasSubstr("\x01")));
  EXPECT_THAT(config_error([] { static_cast<void>(parse("\"a\\nb\": 1")["a\nb"].as_bool()); }),
              HasSubstr("a?b: found"));
  const std::string long_key(100000, 'k');
  EXPECT_LT(config_error([&] { static_cast<void>(parse("? " + long_key + "\n: 1")[long_key].as_bool()); }).size(),
            3000U);
}

TEST(ConfigNodeParse, AMapHasABoundedNumberOfKeys) {
  std::string text;
  for (int key = 0; key <= 4096; ++key) text += "k" + std::to_string(key) + ": 1\n";
  EXPECT_THAT(config_error([&] { parse(text); }), HasSubstr("f.yaml:4097:1: more than 4096 keys"));
}

}  // namespace
}  // namespace sextant
