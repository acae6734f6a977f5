#include "tools/json_file.h"

#include <algorithm>
#include <fstream>
#include <sstream>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {

using Json = nlohmann::json;

std::string load_text(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream text;
  if (file) text << file.rdbuf();
  if (!file || !text) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return text.str();
}

// nlohmann-json names the byte at which it gave up.
Json parse_json(const std::string& text, const std::filesystem::path& path, std::int64_t first_line) {
  try {
    return Json::parse(text);
  } catch (const Json::parse_error& error) {
    const auto end = text.begin() + static_cast<std::ptrdiff_t>(std::min(error.byte, text.size()));
    const auto line = first_line + std::count(text.begin(), end, '\n');
    throw ConfigError(fmt::format("{}:{}: is not JSON ({})", path.string(), line, error.what()));
  }
}

Json load_json(const std::filesystem::path& path) {
  return parse_json(load_text(path), path, 1);
}

void require_keys(const Json& json, std::initializer_list<const char*> keys, const std::string& where) {
  if (!json.is_object()) throw ConfigError(fmt::format("{}: found {}, expected an object", where, json.type_name()));
  for (const char* key : keys) {
    if (!json.contains(key)) throw ConfigError(fmt::format("{}: key \"{}\" is missing", where, key));
  }
}

void require_schema(const Json& json, const char* schema, const std::filesystem::path& path) {
  require_keys(json, {"schema"}, path.string());
  if (json["schema"] == schema) return;
  throw ConfigError(fmt::format("{}: schema is {}, expected \"{}\"", path.string(), json["schema"].dump(), schema));
}

}  // namespace sextant
