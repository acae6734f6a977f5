#include "tools/json_file.h"

#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"
#include "tests/support/temporary_folder.h"

namespace sextant {
namespace {

TEST(LoadJson, NamesTheLineWhereItGaveUp) {
  const TemporaryFolder folder;
  const std::filesystem::path path = folder.write("a.json", "{\"a\": 1,\n\"b\": ?}");
  const std::string text = error_text<ConfigError>([&] { static_cast<void>(load_json(path)); });
  EXPECT_EQ(text.rfind(path.string() + ":2: is not JSON", 0), 0U) << text;
}

TEST(LoadJson, NamesAFileThatCannotBeRead) {
  const TemporaryFolder folder;
  EXPECT_EQ(error_text<ConfigError>([&] { static_cast<void>(load_json(folder / "none")); }),
            (folder / "none").string() + ": cannot be read");
}

TEST(ParseJson, CountsLinesFromWhereTheTextStands) {
  const std::string text = error_text<ConfigError>([] { static_cast<void>(parse_json("{", "log", 7)); });
  EXPECT_EQ(text.rfind("log:7: ", 0), 0U) << text;
}

TEST(RequireKeys, NamesTheKeyThatIsMissing) {
  EXPECT_EQ(error_text<ConfigError>([] {
              require_keys({{"a", 1}}, {"a", "b"}, "here");
            }),
            "here: key \"b\" is missing");
  EXPECT_EQ(error_text<ConfigError>([] { require_keys(nlohmann::json::array(), {"a"}, "here"); }),
            "here: found array, expected an object");
}

TEST(RequireSchema, TellsBoth) {
  EXPECT_NO_THROW(require_schema({{"schema", "x@1"}}, "x@1", "f"));
  EXPECT_EQ(error_text<ConfigError>([] {
              require_schema({{"schema", "y@1"}}, "x@1", "f");
            }),
            "f: schema is \"y@1\", expected \"x@1\"");
}

}  // namespace
}  // namespace sextant
