#include "tools/published/csv_table.h"

#include <algorithm>
#include <fstream>
#include <iterator>
#include <memory>

#include <csv.h>
#include <fmt/format.h>

#include "models/error.h"
#include "models/plain_text.h"

namespace sextant {
namespace {

// All records of a text; a quoted cell may hold line breaks, so a record starts on the line it was counted at.
class RecordReader {
 public:
  RecordReader(const std::string& origin, std::string_view text) {
    csv_parser parser;
    if (csv_init(&parser, CSV_STRICT) != 0) throw InternalError("libcsv could not start");
    const std::unique_ptr<csv_parser, void (*)(csv_parser*)> guard(&parser, csv_free);
    const std::size_t read = csv_parse(&parser, text.data(), text.size(), on_cell, on_record, this);
    const bool ended = read == text.size() && csv_fini(&parser, on_cell, on_record, this) == 0;
    if (!ended) {
      throw ConfigError(
          fmt::format("{}: record {}: {}", origin, records_.size() + 1, csv_strerror(csv_error(&parser))));
    }
  }

  std::vector<std::vector<std::string>> take() { return std::move(records_); }

 private:
  static void on_cell(void* cell, std::size_t size, void* self) {
    static_cast<RecordReader*>(self)->cells_.emplace_back(static_cast<const char*>(cell), size);
  }
  static void on_record(int /*end*/, void* self) {
    auto* const reader = static_cast<RecordReader*>(self);
    reader->records_.push_back(std::move(reader->cells_));
    reader->cells_.clear();
  }

  std::vector<std::string> cells_;
  std::vector<std::vector<std::string>> records_;
};

std::string read_text(const std::filesystem::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), {}};
  if (!stream.good() && !stream.eof()) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return text;
}

}  // namespace

const std::string& CsvRow::operator[](std::string_view column) const {
  static const std::string kEmpty;
  const auto cell = cells.find(column);
  return cell == cells.end() ? kEmpty : cell->second;
}

CsvTable parse_csv(std::string_view text, const std::string& origin, const std::vector<std::string>& required) {
  const std::string_view valid = text.substr(0, utf8_prefix(text));
  if (valid.size() < text.size()) {
    throw ConfigError(
        fmt::format("{}:{}: found a byte that is not UTF-8", origin, 1 + std::ranges::count(valid, '\n')));
  }
  auto records = RecordReader(origin, text).take();
  if (records.empty()) throw ConfigError(fmt::format("{}: found nothing, expected a header", origin));
  CsvTable table{origin, records.front(), {}};
  for (const std::string& column : required) {
    if (std::ranges::find(table.columns, column) == table.columns.end()) {
      throw ConfigError(fmt::format("{}:1: no column '{}'", origin, column));
    }
  }
  for (std::size_t i = 1; i < records.size(); ++i) {
    const auto line = static_cast<int>(i) + 1;
    if (records[i].size() != table.columns.size()) {
      throw ConfigError(fmt::format("{}: record {}: {} cells under {} columns", origin, line, records[i].size(),
                                    table.columns.size()));
    }
    CsvRow row{line, {}};
    for (std::size_t c = 0; c < table.columns.size(); ++c) row.cells[table.columns[c]] = std::move(records[i][c]);
    table.rows.push_back(std::move(row));
  }
  return table;
}

CsvTable read_csv(const std::filesystem::path& path, const std::vector<std::string>& required) {
  if (!std::filesystem::is_regular_file(path)) throw ConfigError(fmt::format("{}: no such file", path.string()));
  return parse_csv(read_text(path), path.string(), required);
}

}  // namespace sextant
