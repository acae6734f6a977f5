#include "tools/hugging_face/json_config.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"

namespace sextant {
namespace {

// One line, at most 60 bytes: what a message may show of the user's text.
std::string shown(const nlohmann::json& value) {
  constexpr std::size_t kMaxShown = 60;
  const std::string text = value.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return text.size() > kMaxShown ? text.substr(0, kMaxShown) + "..." : text;
}

std::string place(std::string_view text, std::size_t byte) {
  const std::string_view before = text.substr(0, byte == 0 ? 0 : byte - 1);  // nlohmann counts from 1
  const std::size_t line_start = before.rfind('\n') + 1;                     // npos + 1 is 0
  return fmt::format("{}:{}", 1 + std::count(before.begin(), before.end(), '\n'), 1 + before.size() - line_start);
}

std::string allowed_text(IntRange range) {
  return fmt::format("a whole number in [{}, {}]", range.min, range.max);
}

}  // namespace

JsonConfig JsonConfig::parse(std::string_view text, std::string origin) {
  nlohmann::json json;
  try {
    json = nlohmann::json::parse(text);
  } catch (const nlohmann::json::parse_error& error) {
    throw ConfigError(fmt::format("{}:{}: not JSON; expected the config.json of a Hugging Face model", origin,
                                  place(text, error.byte)));
  } catch (const nlohmann::json::exception&) {  // a number beyond doubles
    throw ConfigError(fmt::format("{}: found a number that no computer holds", origin));
  }
  if (!json.is_object()) {
    throw ConfigError(fmt::format("{}: found {}, expected an object: the config.json of a Hugging Face model", origin,
                                  json.type_name()));
  }
  return {std::move(origin), "", std::move(json)};
}

bool JsonConfig::has(std::string_view key) const {
  return !value(key).is_null();
}

const nlohmann::json& JsonConfig::value(std::string_view key) const {
  static const nlohmann::json kNull;
  const auto found = json_.find(std::string(key));
  return found == json_.end() ? kNull : *found;
}

const nlohmann::json& JsonConfig::required(std::string_view key, std::string_view allowed) const {
  const nlohmann::json& found = value(key);
  if (found.is_null()) refuse(key, allowed);
  return found;
}

std::int64_t JsonConfig::as_integer(std::string_view key, const nlohmann::json& value, IntRange range) const {
  const bool is_whole =
      value.is_number_integer() && (!value.is_number_unsigned() || value.get<std::uint64_t>() >> 63 == 0);
  if (!is_whole || value.get<std::int64_t>() < range.min || value.get<std::int64_t>() > range.max) {
    fail(key, fmt::format("found {}; allowed: {}", shown(value), allowed_text(range)));
  }
  return value.get<std::int64_t>();
}

std::int64_t JsonConfig::integer(std::string_view key, IntRange range) const {
  return as_integer(key, required(key, allowed_text(range)), range);
}

std::int64_t JsonConfig::integer_or(std::string_view key, IntRange range, std::int64_t absent) const {
  return has(key) ? integer(key, range) : absent;
}

double JsonConfig::number_or(std::string_view key, double absent) const {
  const nlohmann::json& found = value(key);
  if (found.is_null()) return absent;
  if (!found.is_number() || !std::isfinite(found.get<double>()) || found.get<double>() < 0.0) {
    refuse(key, "a number that is not negative");
  }
  return found.get<double>();
}

bool JsonConfig::boolean_or(std::string_view key, bool absent) const {
  const nlohmann::json& found = value(key);
  if (found.is_null()) return absent;
  if (!found.is_boolean()) refuse(key, "true, false");
  return found.get<bool>();
}

std::string JsonConfig::text(std::string_view key) const {
  const nlohmann::json& found = required(key, "a text");
  if (!found.is_string()) refuse(key, "a text");
  return found.get<std::string>();
}

std::vector<std::int64_t> JsonConfig::integers_or_none(std::string_view key, IntRange range) const {
  const nlohmann::json& found = value(key);
  if (found.is_null()) return {};
  if (!found.is_array()) refuse(key, "a list of whole numbers");
  std::vector<std::int64_t> result;
  for (const nlohmann::json& item : found) result.push_back(as_integer(key, item, range));
  return result;
}

std::vector<std::string> JsonConfig::texts(std::string_view key) const {
  const nlohmann::json& found = required(key, "a list of texts");
  std::vector<std::string> result;
  if (!found.is_array()) refuse(key, "a list of texts");
  for (const nlohmann::json& item : found) {
    if (!item.is_string()) fail(key, fmt::format("found {} in the list; allowed: texts", shown(item)));
    result.push_back(item.get<std::string>());
  }
  return result;
}

JsonConfig JsonConfig::section(std::string_view key) const {
  const nlohmann::json& found = required(key, "an object");
  if (!found.is_object()) refuse(key, "an object");
  return {origin_, fmt::format("{}{}.", prefix_, key), found};
}

std::string_view JsonConfig::spelling(std::initializer_list<std::string_view> keys) const {
  std::string_view found;
  for (const std::string_view key : keys) {
    if (!has(key)) continue;
    if (!found.empty() && value(key) != value(found)) {
      fail(key, fmt::format("found {} beside {} {}; allowed: one of them, or both alike", shown(value(key)), found,
                            shown(value(found))));
    }
    if (found.empty()) found = key;
  }
  return found.empty() ? *keys.begin() : found;
}

void JsonConfig::refuse(std::string_view key, std::string_view allowed) const {
  fail(key, fmt::format("{}; allowed: {}", has(key) ? "found " + shown(value(key)) : "missing", allowed));
}

void JsonConfig::fail(std::string_view key, std::string_view message) const {
  throw ConfigError(fmt::format("{}: {}{}: {}", origin_, prefix_, key, message));
}

}  // namespace sextant
