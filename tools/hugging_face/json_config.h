// A Hugging Face config.json as something to ask: every answer is checked, every error names the file,
// the key and what is allowed. Keys that nobody asks for are ignored; null counts as absent.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

namespace sextant {

// Whole numbers that a key may have.
struct IntRange {
  std::int64_t min = 1;
  std::int64_t max = 0;
};

class JsonConfig {
 public:
  // `origin` stands for the path in messages. Throws ConfigError "path:line:column" where it is no JSON.
  [[nodiscard]] static JsonConfig parse(std::string_view text, std::string origin);

  [[nodiscard]] bool has(std::string_view key) const;
  [[nodiscard]] std::int64_t integer(std::string_view key, IntRange range) const;
  [[nodiscard]] std::int64_t integer_or(std::string_view key, IntRange range, std::int64_t absent) const;
  [[nodiscard]] double number_or(std::string_view key, double absent) const;  // not negative
  [[nodiscard]] bool boolean_or(std::string_view key, bool absent) const;
  [[nodiscard]] std::string text(std::string_view key) const;
  [[nodiscard]] std::vector<std::int64_t> integers_or_none(std::string_view key, IntRange range) const;
  [[nodiscard]] std::vector<std::string> texts(std::string_view key) const;
  [[nodiscard]] JsonConfig section(std::string_view key) const;  // {"key": {...}}
  // The one of several spellings that is there, the first where none is. Two that differ are an error.
  [[nodiscard]] std::string_view spelling(std::initializer_list<std::string_view> keys) const;

  [[nodiscard]] const std::string& origin() const { return origin_; }
  // Throws ConfigError "path: key: found VALUE; allowed: ..." (or: missing).
  [[noreturn]] void refuse(std::string_view key, std::string_view allowed) const;
  // Throws ConfigError "path: key: message".
  [[noreturn]] void fail(std::string_view key, std::string_view message) const;

 private:
  JsonConfig(std::string origin, std::string prefix, nlohmann::json json)
      : origin_(std::move(origin)), prefix_(std::move(prefix)), json_(std::move(json)) {}
  // Null where the key is absent.
  [[nodiscard]] const nlohmann::json& value(std::string_view key) const;
  [[nodiscard]] const nlohmann::json& required(std::string_view key, std::string_view allowed) const;
  [[nodiscard]] std::int64_t as_integer(std::string_view key, const nlohmann::json& value, IntRange range) const;

  std::string origin_;
  std::string prefix_;  // "attn_config." in a section of that name
  nlohmann::json json_;
};

}  // namespace sextant
