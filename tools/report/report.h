// sextant report: plans and runs side by side as one HTML file that opens without a network.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

namespace sextant {

// Reads plan files and run folders (tools/run_folder.h) and writes the page. Throws ConfigError where
// an input cannot be read, a folder holds no finished run, or `out` cannot be written.
void write_report(const std::vector<std::filesystem::path>& inputs, const std::filesystem::path& out);

// The page around `data`, a JSON text (tools/report/report_data.h).
[[nodiscard]] std::string report_page(std::string_view data);

}  // namespace sextant
