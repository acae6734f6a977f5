#include "tools/published/csv_table.h"

#include <filesystem>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class CsvFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = std::filesystem::temp_directory_path() /
            (std::string("sextant_csv_") + testing::UnitTest::GetInstance()->current_test_info()->name() + ".csv");
  }
  void TearDown() override { std::filesystem::remove(path_); }

  CsvTable read(const std::string& text, const std::vector<std::string>& required = {}) {
    write_file_atomically(path_, text);
    return read_csv(path_, required);
  }
  std::string complaint(const std::string& text, const std::vector<std::string>& required = {}) {
    try {
      static_cast<void>(read(text, required));
    } catch (const ConfigError& error) {
      return error.what();
    }
    return "none";
  }

  std::filesystem::path path_;
};

TEST_F(CsvFile, CellsAreFoundByColumn) {
  const CsvTable table = read("a,b\n1,\"x, \"\"y\"\"\"\n,\n");
  EXPECT_THAT(table.columns, ElementsAre("a", "b"));
  ASSERT_EQ(table.rows.size(), 2U);
  EXPECT_EQ(table.rows[0]["a"], "1");
  EXPECT_EQ(table.rows[0]["b"], "x, \"y\"");
  EXPECT_EQ(table.rows[1]["b"], "");
  EXPECT_EQ(table.rows[1]["missing"], "");
  EXPECT_EQ(table.rows[1].line, 3);
}

TEST_F(CsvFile, WhatIsNoTableIsToldWithItsPlace) {
  EXPECT_THAT(complaint(""), HasSubstr("expected a header"));
  EXPECT_THAT(complaint("a,b\n1,2\n", {"c"}), HasSubstr(":1: no column 'c'"));
  EXPECT_THAT(complaint("a,b\n1\n"), HasSubstr("record 2: 1 cells under 2 columns"));
  EXPECT_THAT(complaint("a,b\n1,\"x\" y\n"), HasSubstr("record 2"));
  EXPECT_THAT(complaint("a,b\n1,\xff\n"), HasSubstr(":2: found a byte that is not UTF-8"));
  EXPECT_THROW(static_cast<void>(read_csv("/no/such/file.csv", {})), ConfigError);
}

}  // namespace
}  // namespace sextant
