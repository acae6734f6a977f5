// Configuration files: YAML with exact keys, units in the text, errors with file:line:column.
// The only header through which anything here sees YAML; yaml-cpp stays inside yaml_io.cpp.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "models/units.h"

namespace sextant {

// A node of a parsed file; cheap to copy. Every accessor throws ConfigError "path:line:column: ..."
// that says what was found and what is allowed.
class ConfigNode {
 public:
  // Throws ConfigError when the file cannot be read or is not YAML.
  // Refused besides: what is not UTF-8, files above 64 MiB, more than one document, nesting deeper than 64, more than
  // 4096 keys in a map, anchors and aliases (a few lines of them can stand for billions of nodes), explicit tags.
  [[nodiscard]] static ConfigNode load_file(const std::filesystem::path& path);
  // `origin` stands for the path in messages.
  [[nodiscard]] static ConfigNode parse(std::string_view text, std::string origin);

  // A map must have exactly the `required` keys and may have the `optional` ones; a misspelt key is
  // answered with the nearest allowed one. Duplicate keys are errors too.
  void expect_keys(std::initializer_list<std::string_view> required,
                   std::initializer_list<std::string_view> optional = {}) const;
  // `schema: sextant/network@1`, say; an unknown version is an error naming both.
  void expect_schema(std::string_view schema) const;

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] ConfigNode operator[](std::string_view key) const;                // throws when missing
  [[nodiscard]] std::vector<ConfigNode> items() const;                            // of a list
  [[nodiscard]] std::vector<std::pair<std::string, ConfigNode>> entries() const;  // of a map, in file order
  [[nodiscard]] bool is_map() const;
  [[nodiscard]] bool is_list() const;
  [[nodiscard]] bool is_scalar() const;

  [[nodiscard]] std::string as_string() const;
  [[nodiscard]] bool as_bool() const;
  [[nodiscard]] std::int64_t as_int(std::int64_t min, std::int64_t max) const;
  [[nodiscard]] int as_count(int min = 1) const;                 // int in [min, 2^31)
  [[nodiscard]] double as_double(double min, double max) const;  // a plain number, finite
  [[nodiscard]] Seconds as_seconds() const;
  [[nodiscard]] Bytes as_bytes() const;
  [[nodiscard]] BytesPerSecond as_bytes_per_second() const;
  [[nodiscard]] FlopsPerSecond as_flops_per_second() const;
  [[nodiscard]] SecondsPerByte as_seconds_per_byte() const;
  [[nodiscard]] SecondsPerFlop as_seconds_per_flop() const;

  // This map with `value` under `key`, in place of what was there; both keep their positions for messages.
  [[nodiscard]] ConfigNode with(std::string_view key, const ConfigNode& value) const;
  [[nodiscard]] ConfigNode without(std::string_view key) const;

  // Throws ConfigError "path:line:column: message" at this node.
  [[noreturn]] void fail(std::string_view message) const;

 private:
  struct Impl;
  explicit ConfigNode(std::shared_ptr<const Impl> impl) : impl_(std::move(impl)) {}
  std::shared_ptr<const Impl> impl_;
};

// Writes block YAML with stable order: map() / list() open a level, end() closes it.
class YamlWriter {
 public:
  YamlWriter();
  ~YamlWriter();
  YamlWriter(const YamlWriter&) = delete;
  YamlWriter& operator=(const YamlWriter&) = delete;

  YamlWriter& begin_map(std::string_view key = {});  // key empty: item of a list, or the root
  YamlWriter& begin_list(std::string_view key = {});
  YamlWriter& begin_flow_map(std::string_view key = {});  // {a: 1, b: 2} on one line
  YamlWriter& begin_flow_list(std::string_view key = {});
  YamlWriter& end();
  YamlWriter& entry(std::string_view key, std::string_view value);
  YamlWriter& entry(std::string_view key, const char* value) { return entry(key, std::string_view(value)); }
  YamlWriter& entry(std::string_view key, std::int64_t value);
  YamlWriter& entry(std::string_view key, int value) { return entry(key, static_cast<std::int64_t>(value)); }
  YamlWriter& entry(std::string_view key, double value);  // shortest text that reads back the same
  YamlWriter& entry(std::string_view key, bool value);
  YamlWriter& item(std::string_view value);
  YamlWriter& item(std::int64_t value);
  YamlWriter& comment(std::string_view text);
  [[nodiscard]] std::string text() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

// Writes `text` to a temporary file beside `path` and renames it, so that no partial file ever has
// the final name. Throws ConfigError naming the path and the system's reason.
void write_file_atomically(const std::filesystem::path& path, std::string_view text);
// Throws ConfigError unless write_file_atomically(path) could write now: checked before long work.
void require_writable(const std::filesystem::path& path);
// FNV-1a 64 of the bytes, 16 hex digits: identifies a network or cluster in a plan.
[[nodiscard]] std::string content_hash(std::string_view text);

}  // namespace sextant
