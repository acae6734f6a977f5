#include "tools/report/report.h"

#include <nlohmann/json.hpp>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tools/report/report_assets.h"
#include "tools/report/report_data.h"
#include "tools/report/report_input.h"

namespace sextant {
namespace {

// Inside <script> only "</script" and "<!--" could end or confuse the block; JSON may write any '<' as an escape.
std::string without_markup(std::string_view json) {
  std::string text;
  text.reserve(json.size());
  for (const char c : json) {
    if (c == '<') {
      text += "\\u003c";
    } else {
      text += c;
    }
  }
  return text;
}

}  // namespace

std::string report_page(std::string_view data) {
  constexpr std::string_view kOpen = "{{";
  constexpr std::string_view kClose = "}}";
  std::string_view rest = report_asset("page.html");
  std::string page;
  while (true) {
    const auto open = rest.find(kOpen);
    page += rest.substr(0, open);
    if (open == std::string_view::npos) return page;
    const auto close = rest.find(kClose, open);
    SEXTANT_CHECK(close != std::string_view::npos, "page.html has a placeholder without end");
    const std::string_view name = rest.substr(open + kOpen.size(), close - open - kOpen.size());
    if (name == "data") {
      page += without_markup(data);
    } else {
      SEXTANT_CHECK(!report_asset(name).empty(), "page.html asks for {}, which is not embedded", name);
      page += report_asset(name);
    }
    rest.remove_prefix(close + kClose.size());
  }
}

void write_report(const std::vector<std::filesystem::path>& inputs, const std::filesystem::path& out) {
  write_file_atomically(out, report_page(report_data(load_report_inputs(inputs)).dump()));
}

}  // namespace sextant
