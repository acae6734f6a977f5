// The files of the page, embedded when the report is built (CMakeLists.txt here).
#pragma once

#include <string_view>

namespace sextant {

// Text of page.html, style.css, page.js, charts.js, timeline.js or chart.js; empty for another name.
[[nodiscard]] std::string_view report_asset(std::string_view name);

}  // namespace sextant
