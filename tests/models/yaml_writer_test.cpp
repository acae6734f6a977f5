#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tests/fakes/error_text.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

using testing::HasSubstr;

TEST(YamlWriter, WritesBlockAndFlowCollections) {
  YamlWriter writer;
  writer.begin_map().comment("head").entry("name", "a b").entry("count", 3).entry("real", 0.1).entry("on", true);
  writer.begin_list("points");
  writer.begin_flow_map().entry("buffer", "64 KiB").entry("repeats", 20).end();
  writer.begin_map().entry("op", "x").begin_flow_list("sizes").item(std::int64_t{1}).item("b").end().end();
  writer.end();
  writer.begin_map("nested").comment("first\nsecond").entry("deep", 1).end();
  writer.end();
  EXPECT_EQ(writer.text(),
            "# head\n"
            "name: a b\n"
            "count: 3\n"
            "real: 0.1\n"
            "\"on\": true\n"
            "points:\n"
            "  - {buffer: 64 KiB, repeats: 20}\n"
            "  - op: x\n"
            "    sizes: [1, b]\n"
            "nested:\n"
            "  # first\n"
            "  # second\n"
            "  deep: 1\n");
}

TEST(YamlWriter, WritesEmptyCollections) {
  YamlWriter writer;
  writer.begin_map().begin_list("a").end().begin_map("b").end().begin_flow_map("c").end();
  writer.begin_list("d").begin_map().end().begin_flow_list().end().end();
  writer.begin_map("e").comment("nothing").end().end();
  EXPECT_EQ(writer.text(), "a: []\nb: {}\nc: {}\nd:\n  - {}\n  - []\ne:\n  # nothing\n  {}\n");
  const ConfigNode root = ConfigNode::parse(writer.text(), "text");
  EXPECT_TRUE(root["a"].items().empty());
  EXPECT_TRUE(root["e"].entries().empty());
}

TEST(YamlWriter, EveryTextReadsBackAsItself) {
  const std::string texts[] = {"plain",
                               "",
                               " ",
                               "a ",
                               " a",
                               "null",
                               "~",
                               "Null",
                               "true",
                               "no",
                               "8",
                               "1e5",
                               "-",
                               "- a",
                               "a: b",
                               "a:b",
                               "a #b",
                               "#a",
                               "[x]",
                               "{x}",
                               "a, b",
                               "\"",
                               "'",
                               "\\",
                               "a\nb",
                               "\t",
                               "\x01",
                               "!tag",
                               "&a",
                               "*a",
                               "%a",
                               "@a",
                               "`a",
                               "|",
                               ">",
                               "?",
                               "...",
                               "---",
                               "é",
                               "64 KiB",
                               "2.3 us",
                               "25 GB/s",
                               "/path/to x.yaml",
                               "2025-01-18",
                               "<<",
                               "=",
                               "0x1F",
                               "inf",
                               ".nan"};
  for (const std::string& text : texts) {
    YamlWriter writer;
    writer.begin_map().entry("block", text).begin_flow_map("flow").entry("key", text).end();
    writer.begin_list("list").item(text).end().begin_flow_list("flow_list").item(text).end();
    if (!text.empty()) writer.begin_map("as_key").entry(text, 1).end();
    writer.end();
    const ConfigNode root = ConfigNode::parse(writer.text(), "text");
    EXPECT_EQ(root["block"].as_string(), text);
    EXPECT_EQ(root["flow"]["key"].as_string(), text);
    EXPECT_EQ(root["list"].items().at(0).as_string(), text);
    EXPECT_EQ(root["flow_list"].items().at(0).as_string(), text);
    if (!text.empty()) {
      EXPECT_EQ(root["as_key"].entries().at(0).first, text);
    }
  }
}

TEST(YamlWriter, DoublesReadBackExactly) {
  for (const double value : {0.1, 1.0 / 3.0, 1e-300, 1e300, 1.0, 1234567890123.0}) {
    YamlWriter writer;
    writer.begin_map().entry("x", value).end();
    EXPECT_EQ(ConfigNode::parse(writer.text(), "text")["x"].as_double(0.0, 1e301), value);
  }
}

TEST(YamlWriter, MisuseIsABugOfOurs) {
  EXPECT_THROW(static_cast<void>(YamlWriter().text()), InternalError);
  EXPECT_THROW(YamlWriter().entry("a", 1), InternalError);
  EXPECT_THROW(YamlWriter().begin_map().item("a"), InternalError);
  EXPECT_THROW(YamlWriter().begin_list().entry("a", 1), InternalError);
  EXPECT_THROW(YamlWriter().begin_map().begin_flow_map("a").begin_map("b"), InternalError);
  EXPECT_THROW(YamlWriter().begin_map().entry("a", 0.0 / 0.0), InternalError);
  EXPECT_THROW(YamlWriter().begin_map().end().begin_map(), InternalError);
}

std::string content(const std::filesystem::path& path) {
  std::ostringstream text;
  text << std::ifstream(path).rdbuf();
  return text.str();
}

class WriteFileAtomically : public testing::Test {
 protected:
  [[nodiscard]] int num_files() const {
    int count = 0;
    for ([[maybe_unused]] const auto& entry : std::filesystem::directory_iterator(folder_.path())) ++count;
    return count;
  }
  TemporaryFolder folder_;
};

TEST_F(WriteFileAtomically, ReplacesTheFileAndLeavesNothingElse) {
  write_file_atomically(folder_ / "a", "one");
  write_file_atomically(folder_ / "a", "two");
  EXPECT_EQ(content(folder_ / "a"), "two");
  EXPECT_EQ(num_files(), 1);
}

TEST_F(WriteFileAtomically, NamesPathAndReasonWhereTheFolderIsMissing) {
  const std::filesystem::path path = folder_ / "missing" / "a";
  EXPECT_EQ(error_text<ConfigError>([&] { write_file_atomically(path, "x"); }),
            path.string() + ": cannot be written: No such file or directory");
}

TEST_F(WriteFileAtomically, LeavesNoPartialFileWhereTheNameIsAFolder) {
  std::filesystem::create_directory(folder_ / "a");
  EXPECT_THAT(error_text<ConfigError>([&] { write_file_atomically(folder_ / "a", "x"); }),
              HasSubstr("cannot be written"));
  EXPECT_EQ(num_files(), 1);
}

TEST(ContentHash, IsFnv1a) {
  // Test vectors of the Fowler/Noll/Vo reference code.
  EXPECT_EQ(content_hash(""), "cbf29ce484222325");
  EXPECT_EQ(content_hash("a"), "af63dc4c8601ec8c");
  EXPECT_EQ(content_hash("foobar"), "85944171f73967e8");
}

}  // namespace
}  // namespace sextant
