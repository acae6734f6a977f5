// The writing half of models/yaml_io.h, and the helpers for whole files.
#include <array>
#include <atomic>
#include <cerrno>
#include <charconv>
#include <cmath>
#include <system_error>

#include <fcntl.h>
#include <fmt/format.h>
#include <unistd.h>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

bool is_plain_character(char c) {
  constexpr std::string_view kHarmless = " _./+@%-()*";
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         kHarmless.find(c) != std::string_view::npos;
}

bool is_number(std::string_view text) {
  double value = 0.0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  return error != std::errc::invalid_argument && end == text.data() + text.size();
}

// Words that YAML readers take for something else than a text.
bool is_reserved_word(std::string_view text) {
  constexpr std::array<std::string_view, 9> kReserved{"null", "true", "false", "yes", "no", "on", "off", "y", "n"};
  std::string lower(text);
  for (char& c : lower) c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  for (const std::string_view word : kReserved) {
    if (lower == word) return true;
  }
  return false;
}

bool is_plain_text(std::string_view text) {
  if (text.empty() || text.back() == ' ' || is_reserved_word(text) || is_number(text)) return false;
  const char first = text.front();
  const bool starts_well = (first >= 'a' && first <= 'z') || (first >= 'A' && first <= 'Z') ||
                           (first >= '0' && first <= '9') || first == '/' || first == '.' || first == '_';
  if (!starts_well || text.substr(0, 3) == "...") return false;
  for (const char c : text) {
    if (!is_plain_character(c)) return false;
  }
  return true;
}

std::string quoted(std::string_view text) {
  std::string result = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      result += fmt::format("\\{}", c);
    } else if (c == '\n') {
      result += "\\n";
    } else if (static_cast<unsigned char>(c) < 0x20 || c == 0x7f) {
      result += fmt::format("\\x{:02x}", static_cast<unsigned>(static_cast<unsigned char>(c)));
    } else {
      result += c;
    }
  }
  return result + "\"";
}

std::string scalar_text(std::string_view text) {
  return is_plain_text(text) ? std::string(text) : quoted(text);
}

}  // namespace

struct YamlWriter::Impl {
  enum class Opened { kRoot, kAfterKey, kAfterDash, kStarted };
  struct Level {
    bool is_map = true;
    bool is_flow = false;
    bool is_empty = true;
    Opened opened = Opened::kRoot;
    std::size_t indent = 0;
  };
  std::string text;
  std::vector<Level> levels;
  bool done = false;

  Level& level() {
    SEXTANT_CHECK(!levels.empty(), "write to YAML outside of any map or list");
    return levels.back();
  }

  // The line of a block collection begins here, or goes on behind the dash that opened it.
  void begin_line(Level& at) {
    if (at.is_empty && at.opened == Opened::kAfterKey) text += '\n';
    const bool behind_dash = at.is_empty && at.opened == Opened::kAfterDash;
    if (!behind_dash) text.append(at.indent, ' ');
  }

  // Everything up to the value: separator or indentation, then "key:" or "-" and a space.
  void begin_entry(std::string_view key) {
    Level& at = level();
    SEXTANT_CHECK(at.is_map != key.empty(), "{} needs {} key", at.is_map ? "a map entry" : "a list item",
                  at.is_map ? "a" : "no");
    if (at.is_flow) {
      if (!at.is_empty) text += ", ";
      if (at.is_map) text += scalar_text(key) + ": ";
    } else {
      begin_line(at);
      text += at.is_map ? scalar_text(key) + ":" : "-";
    }
    at.is_empty = false;
  }

  void scalar(std::string_view key, std::string_view value) {
    begin_entry(key);
    if (level().is_flow) {
      text += value;
    } else {
      text += fmt::format(" {}\n", value);
    }
  }

  void open_block(std::string_view key, bool is_map) {
    if (levels.empty()) {
      SEXTANT_CHECK(!done && key.empty(), "a YAML text has one root, without a key");
      levels.push_back({.is_map = is_map});
      return;
    }
    SEXTANT_CHECK(!level().is_flow, "a block collection inside a flow collection");
    begin_entry(key);
    const bool in_map = level().is_map;
    if (!in_map) text += ' ';
    levels.push_back(
        {.is_map = is_map, .opened = in_map ? Opened::kAfterKey : Opened::kAfterDash, .indent = level().indent + 2});
  }

  void open_flow(std::string_view key, bool is_map) {
    SEXTANT_CHECK(!levels.empty(), "a YAML text's root is a block collection");
    begin_entry(key);
    if (!level().is_flow) text += ' ';
    text += is_map ? '{' : '[';
    levels.push_back({.is_map = is_map, .is_flow = true});
  }

  void close() {
    const Level closed = level();
    levels.pop_back();
    if (closed.is_flow) {
      text += closed.is_map ? '}' : ']';
      if (!level().is_flow) text += '\n';
    } else if (closed.is_empty) {
      if (closed.opened == Opened::kAfterKey) text += ' ';
      if (closed.opened == Opened::kStarted) text.append(closed.indent, ' ');
      text += closed.is_map ? "{}\n" : "[]\n";
    }
    done = levels.empty();
  }
};

YamlWriter::YamlWriter() : impl_(std::make_unique<Impl>()) {}
YamlWriter::~YamlWriter() = default;

YamlWriter& YamlWriter::begin_map(std::string_view key) {
  impl_->open_block(key, true);
  return *this;
}
YamlWriter& YamlWriter::begin_list(std::string_view key) {
  impl_->open_block(key, false);
  return *this;
}
YamlWriter& YamlWriter::begin_flow_map(std::string_view key) {
  impl_->open_flow(key, true);
  return *this;
}
YamlWriter& YamlWriter::begin_flow_list(std::string_view key) {
  impl_->open_flow(key, false);
  return *this;
}
YamlWriter& YamlWriter::end() {
  impl_->close();
  return *this;
}

YamlWriter& YamlWriter::entry(std::string_view key, std::string_view value) {
  impl_->scalar(key, scalar_text(value));
  return *this;
}
YamlWriter& YamlWriter::entry(std::string_view key, std::int64_t value) {
  impl_->scalar(key, fmt::format("{}", value));
  return *this;
}
YamlWriter& YamlWriter::entry(std::string_view key, double value) {
  SEXTANT_CHECK(std::isfinite(value), "{} is {}", key, value);
  impl_->scalar(key, fmt::format("{}", value));
  return *this;
}
YamlWriter& YamlWriter::entry(std::string_view key, bool value) {
  impl_->scalar(key, value ? "true" : "false");
  return *this;
}
YamlWriter& YamlWriter::item(std::string_view value) {
  impl_->scalar({}, scalar_text(value));
  return *this;
}
YamlWriter& YamlWriter::item(std::int64_t value) {
  impl_->scalar({}, fmt::format("{}", value));
  return *this;
}

YamlWriter& YamlWriter::comment(std::string_view text) {
  Impl::Level& at = impl_->level();
  SEXTANT_CHECK(!at.is_flow, "a comment inside a flow collection");
  SEXTANT_CHECK(!(at.is_empty && at.opened == Impl::Opened::kAfterDash), "a comment behind a dash");
  if (at.is_empty && at.opened == Impl::Opened::kAfterKey) {
    impl_->text += '\n';
    at.opened = Impl::Opened::kStarted;
  }
  while (true) {
    const std::size_t end = text.find('\n');
    impl_->text.append(at.indent, ' ').append("# ").append(text.substr(0, end)).append("\n");
    if (end == std::string_view::npos) return *this;
    text.remove_prefix(end + 1);
  }
}

std::string YamlWriter::text() const {
  SEXTANT_CHECK(impl_->done, "YAML text asked for with {} levels open", impl_->levels.size());
  return impl_->text;
}

namespace {

[[noreturn]] void fail_write(const std::filesystem::path& path, int error_number) {
  throw ConfigError(
      fmt::format("{}: cannot be written: {}", path.string(), std::generic_category().message(error_number)));
}

// Returns 0 or the error number of the first call that failed.
int write_all(int descriptor, std::string_view text) {
  while (!text.empty()) {
    const ssize_t written = ::write(descriptor, text.data(), text.size());
    if (written < 0 && errno == EINTR) continue;
    if (written < 0) return errno;
    text.remove_prefix(static_cast<std::size_t>(written));
  }
  return ::fsync(descriptor) == 0 ? 0 : errno;
}

}  // namespace

namespace {

// A new, empty file beside the one that is to be written.
struct TemporaryFile {
  std::filesystem::path path;
  int descriptor = -1;
};

TemporaryFile create_beside(const std::filesystem::path& path) {
  static std::atomic<int> counter{0};
  if (std::filesystem::is_directory(path)) fail_write(path, EISDIR);
  TemporaryFile file{path};
  file.path += fmt::format(".partial.{}.{}", ::getpid(), counter++);
  file.descriptor = ::open(file.path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  if (file.descriptor < 0) fail_write(path, errno);
  return file;
}

}  // namespace

void require_writable(const std::filesystem::path& path) {
  const TemporaryFile file = create_beside(path);
  ::close(file.descriptor);
  ::unlink(file.path.c_str());
}

void write_file_atomically(const std::filesystem::path& path, std::string_view text) {
  const auto [temporary, descriptor] = create_beside(path);
  int error_number = write_all(descriptor, text);
  if (::close(descriptor) != 0 && error_number == 0) error_number = errno;
  if (error_number == 0 && std::rename(temporary.c_str(), path.c_str()) != 0) error_number = errno;
  if (error_number == 0) return;
  ::unlink(temporary.c_str());
  fail_write(path, error_number);
}

std::string content_hash(std::string_view text) {
  std::uint64_t hash = 0xcbf29ce484222325;  // FNV-1a offset basis and prime, 64 bits
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return fmt::format("{:016x}", hash);
}

}  // namespace sextant
