#include "tools/report/report.h"

#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "tests/tools/report/example_folder.h"
#include "tools/report/report_assets.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

std::string read(const fs::path& path) {
  std::ifstream file(path);
  std::ostringstream text;
  text << file.rdbuf();
  return text.str();
}

// The text of the page's data block.
std::string data_of(const std::string& page) {
  const std::string open = "id=\"data\">";
  const auto begin = page.find(open) + open.size();
  return page.substr(begin, page.find("</script>", begin) - begin);
}

class Report : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::temp_directory_path() /
              (std::string("sextant_report_") + testing::UnitTest::GetInstance()->current_test_info()->name());
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  void TearDown() override { fs::remove_all(folder_); }

  fs::path folder_;
};

TEST_F(Report, HoldsTheDataOfEveryInput) {
  write_example_plan(folder_ / "mine.yaml");
  write_example_run(folder_ / "run");
  write_report({folder_ / "mine.yaml", folder_ / "run"}, folder_ / "report.html");
  const nlohmann::json data = nlohmann::json::parse(data_of(read(folder_ / "report.html")));
  ASSERT_EQ(data["items"].size(), 2U);
  EXPECT_EQ(data["items"][0]["name"], "mine");
  EXPECT_EQ(data["items"][1]["run"]["last_loss"], 2.5);
  EXPECT_EQ(data["clusters"][0]["name"], "example <cluster> & co");
}

TEST_F(Report, NeedsNoNetwork) {
  write_example_run(folder_ / "run");
  write_report({folder_ / "run"}, folder_ / "report.html");
  const std::string page = read(folder_ / "report.html");
  EXPECT_NE(page.find("default-src 'none'"), std::string::npos);
  for (const char* request : {" src=", "<link", "@import", "url(", "fetch(", "XMLHttpRequest", "import("}) {
    EXPECT_EQ(page.find(request), std::string::npos) << request;
  }
  EXPECT_NE(page.find("Chart.js v3"), std::string::npos) << "with its licence";
}

TEST_F(Report, NamesCannotEndTheDataBlock) {
  const std::string page = report_page(R"({"name": "</script><script>alert(1)</script><!--"})");
  EXPECT_EQ(page.find("alert(1)</script>"), std::string::npos);
  EXPECT_EQ(nlohmann::json::parse(data_of(page))["name"], "</script><script>alert(1)</script><!--");
}

TEST_F(Report, HasNoPlaceholderLeft) {
  const std::string page = report_page("{}");
  EXPECT_EQ(page.find("{{data}}"), std::string::npos);
  EXPECT_NE(page.find(report_asset("timeline.js")), std::string::npos);
  EXPECT_TRUE(report_asset("nothing").empty());
}

TEST_F(Report, AnOutputThatCannotBeWrittenIsRefusedAndLeavesNothing) {
  write_example_plan(folder_ / "mine.yaml");
  EXPECT_THROW(write_report({folder_ / "mine.yaml"}, folder_ / "missing/report.html"), ConfigError);
  EXPECT_FALSE(fs::exists(folder_ / "missing"));
}

TEST_F(Report, ABadInputLeavesNoPage) {
  EXPECT_THROW(write_report({folder_ / "none.yaml"}, folder_ / "report.html"), ConfigError);
  EXPECT_FALSE(fs::exists(folder_ / "report.html"));
}

}  // namespace
}  // namespace sextant
