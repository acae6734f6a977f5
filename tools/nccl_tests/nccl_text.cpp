// Text tables of nccl-tests: comment lines that tell the run, then a line a size.
#include <algorithm>
#include <charconv>
#include <limits>
#include <regex>
#include <string>

#include <fmt/format.h>

#include "models/error.h"
#include "tools/nccl_tests/nccl_run.h"

namespace sextant {
namespace {

using Tokens = std::vector<std::string_view>;

Tokens tokens_of(std::string_view line) {
  Tokens tokens;
  for (std::size_t begin = 0; begin < line.size();) {
    begin = line.find_first_not_of(" \t\r", begin);
    if (begin == std::string_view::npos) break;
    const std::size_t end = std::min(line.find_first_of(" \t\r", begin), line.size());
    tokens.push_back(line.substr(begin, end - begin));
    begin = end;
  }
  return tokens;
}

// What precedes a line when launchers tag output with its rank: "[1,0]<stdout>:", "0: ".
std::string_view without_tag(std::string_view line) {
  const std::size_t bracket = line.find(">:");
  if (line.starts_with("[") && bracket != std::string_view::npos) return line.substr(bracket + 2);
  std::size_t digits = std::min(line.find_first_not_of(' '), line.size());
  while (digits < line.size() && line[digits] >= '0' && line[digits] <= '9') ++digits;
  if (digits + 1 < line.size() && line[digits] == ':' && line[digits + 1] == ' ') return line.substr(digits + 2);
  return line;
}

// Where a row's numbers stand, counted from its first time: what is left of it may have blank columns.
struct Columns {
  std::size_t labels = 0;  // size, count, type and what follows before the first time
  std::size_t values = 0;  // the first time and everything behind it
  std::size_t time = 0;    // of the columns wanted, from the first time
  std::optional<std::size_t> wrong;
  bool is_cpu_time = false;
};

std::optional<Columns> columns_of(Tokens tokens, bool in_place) {
  if (!tokens.empty() && tokens.front() == "#") tokens.erase(tokens.begin());
  if (tokens.size() < 6 || tokens[0] != "size" || tokens[1] != "count" || tokens[2] != "type") return std::nullopt;
  std::vector<std::size_t> times;
  for (std::size_t i = 0; i < tokens.size(); ++i) {
    if (tokens[i] == "time" || tokens[i] == "cputime") times.push_back(i);
  }
  if (times.size() != 2) return std::nullopt;
  const std::size_t wanted = in_place ? times[1] : times[0];
  const bool has_date = tokens.back() == "timestamp";  // its values are two words
  Columns columns{.labels = times[0],
                  .values = tokens.size() - times[0] + (has_date ? 1 : 0),
                  .time = wanted - times[0],
                  .wrong = std::nullopt,
                  .is_cpu_time = tokens[wanted] == "cputime"};
  if (wanted + 3 < tokens.size() && tokens[wanted + 3] == "#wrong") columns.wrong = columns.time + 3;
  return columns;
}

class TextParser {
 public:
  TextParser(std::string origin, const NcclOptions& options) : origin_(std::move(origin)), options_(options) {}

  std::vector<NcclRun> run(std::string_view text) {
    begin_run();
    for (std::size_t begin = 0; begin < text.size();) {
      const std::size_t end = std::min(text.find('\n', begin), text.size());
      ++line_;
      read_line(without_tag(text.substr(begin, end - begin)));
      begin = end + 1;
    }
    end_run();
    if (runs_.empty()) fail("no table of nccl-tests in this file (\"#  size  count  type ... time  algbw  busbw\")");
    return std::move(runs_);
  }

 private:
  [[noreturn]] void fail(const std::string& message) const {
    throw ConfigError(fmt::format("{}:{}: {}", origin_, std::max(line_, 1), message));
  }

  void begin_run() {
    run_ = {};
    run_.origin = origin_;
    run_.line = std::max(line_, 1);
    columns_.reset();
    group_.reset();
  }

  void end_run() {
    if (columns_ && run_.rows.empty()) fail("the table that should end here has no row with a size above 0");
    if (!run_.rows.empty()) runs_.push_back(std::move(run_));
  }

  void read_line(std::string_view line) {
    const std::size_t first = line.find_first_not_of(" \t\r");
    if (first == std::string_view::npos) return;
    constexpr std::size_t kLongest = 4096;  // tables have 200 characters a line; other programs may print more
    if (line.size() > kLongest) return;
    const char c = line[first];
    if (c == '#') {
      read_comment(line);
    } else if (columns_ && c >= '0' && c <= '9') {
      read_row(line);
    } else if (const auto test = test_in_command(line); test && !columns_) {
      command_ = *test;  // the command that was typed; the output follows
    }
  }

  void read_comment(std::string_view line) {
    if (line.find("# nThread ") != std::string_view::npos) {
      end_run();
      begin_run();
      read_repeats(line);
    } else if (line.find("Collective test starting:") != std::string_view::npos) {
      // Stands above the line that begins its run.
      command_ = test_in_command(line);
    } else if (line.find("Out of bounds values") != std::string_view::npos) {
      end_run();
      begin_run();
      command_.reset();
    } else if (const auto columns = columns_of(tokens_of(line), options_.in_place)) {
      begin_table(*columns);
    } else {
      read_rank(line);
    }
  }

  void read_repeats(std::string_view line) {
    static const std::regex kIterations(R"(warmup iters: \d+ iters: (\d{1,9})(?: agg iters: (\d{1,9}))?)");
    std::cmatch match;
    if (!std::regex_search(line.begin(), line.end(), match, kIterations)) return;
    const std::int64_t repeats = std::stoll(match[1].str()) * (match[2].matched ? std::stoll(match[2].str()) : 1);
    repeats_ = static_cast<int>(std::clamp<std::int64_t>(repeats, 1, std::numeric_limits<int>::max()));
  }

  void read_rank(std::string_view line) {
    static const std::regex kRank(
        R"(Rank +(\d{1,8}) +(?:Group +(\d{1,8}) +)?Pid +\d+ +on +(\S+) +device +\d+ +\[[^\]]*\] *(.*))");
    const Tokens tokens = tokens_of(line);
    if (tokens.size() < 2 || tokens[1] != "Rank") return;
    std::cmatch match;
    if (!std::regex_search(line.begin(), line.end(), match, kRank)) {
      fail("no rank as \"#  Rank  0 Group  0 Pid  1234 on HOST device  0 [0x07] NAME\"");
    }
    std::string device = match[4].str();
    device.erase(device.find_last_not_of(" \r") + 1);
    run_.ranks.push_back({.rank = std::stoi(match[1].str()),
                          .group = match[2].matched ? std::stoi(match[2].str()) : 0,
                          .host = match[3].str(),
                          .device = device});
  }

  void begin_table(const Columns& columns) {
    if (columns.is_cpu_time) fail("the table has times of the host (-C 1); expected those of the collective");
    const auto in_name = test_in_file_name(origin_);
    const auto test = options_.test ? options_.test : command_ ? command_ : in_name;
    if (!test) fail("nothing says which test this is; name the file e.g. all_reduce.txt, or give --test all_reduce");
    run_.test = *test;
    run_.line = line_;
    columns_ = columns;
    if (collective_of(*test)) group_ = group_shape(run_);
  }

  void read_row(std::string_view line) {
    const Tokens tokens = tokens_of(line);
    constexpr std::size_t kFirstLabels = 3;  // redop and root may be blank
    if (tokens.size() < kFirstLabels + columns_->values || tokens.size() > columns_->labels + columns_->values) {
      fail(
          fmt::format("{} columns, expected {} as in the heading", tokens.size(), columns_->labels + columns_->values));
    }
    const std::size_t first_time = tokens.size() - columns_->values;
    const auto value = [&](std::size_t column) { return tokens[first_time + column]; };
    const Bytes size(number(tokens.front(), "size"));
    const double microseconds = number(value(columns_->time), "time");
    const NcclBandwidths bandwidths{number(value(columns_->time + 1), "algbw"),
                                    number(value(columns_->time + 2), "busbw")};
    if (columns_->wrong) check_wrong(value(*columns_->wrong));
    if (size == Bytes(0.0)) return;  // less than an element a rank
    if (microseconds <= 0.0) fail("a time of 0 us, expected a positive time");
    if (group_) check_bandwidths(run_, *group_, bandwidths, line_);
    constexpr double kPerSecond = 1e6;
    run_.rows.push_back({.size = size, .times = {Seconds(microseconds / kPerSecond)}, .repeats = repeats_});
  }

  void check_wrong(std::string_view text) const {
    if (text == "N/A" || number(text, "#wrong") == 0.0) return;
    fail(fmt::format("{} wrong elements: times of a collective that does not work mean nothing", text));
  }

  double number(std::string_view text, const char* column) const {
    double value = 0.0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    const bool is_number = error == std::errc() && end == text.data() + text.size();
    if (is_number && value >= 0.0 && value <= std::numeric_limits<double>::max()) return value;
    fail(fmt::format("{}: found '{}', expected a number of 0 or more", column, text));
  }

  std::string origin_;
  const NcclOptions& options_;
  int line_ = 0;
  std::vector<NcclRun> runs_;
  NcclRun run_;
  int repeats_ = 1;
  std::optional<std::string> command_;
  std::optional<Columns> columns_;  // inside a table
  std::optional<GroupShape> group_;
};

}  // namespace

std::vector<NcclRun> parse_nccl_text(std::string_view text, const std::string& origin, const NcclOptions& options) {
  return TextParser(origin, options).run(text);
}

}  // namespace sextant
