// A comma-separated file with a header (RFC 4180), read by libcsv.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace sextant {

struct CsvRow {
  int line = 0;  // of the file, 1 for the header
  std::map<std::string, std::string, std::less<>> cells;
  // Empty where the row has no such column.
  [[nodiscard]] const std::string& operator[](std::string_view column) const;
};

struct CsvTable {
  std::string path;
  std::vector<std::string> columns;
  std::vector<CsvRow> rows;
};

// Throw ConfigError with path:line where the file cannot be read, has no header, lacks one of
// `required`, or a row has another number of cells than the header. `origin` stands for the path in messages.
[[nodiscard]] CsvTable parse_csv(std::string_view text, const std::string& origin,
                                 const std::vector<std::string>& required);
[[nodiscard]] CsvTable read_csv(const std::filesystem::path& path, const std::vector<std::string>& required);

}  // namespace sextant
