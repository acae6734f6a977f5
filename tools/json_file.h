// JSON that Sextant wrote itself, read back: errors name the file and, where they can, the line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <initializer_list>
#include <string>

#include <nlohmann/json.hpp>

namespace sextant {

// The bytes of a file. Throws ConfigError naming the path.
[[nodiscard]] std::string load_text(const std::filesystem::path& path);
// Throws ConfigError path:line; `first_line` is that of the text in its file.
[[nodiscard]] nlohmann::json parse_json(const std::string& text, const std::filesystem::path& path,
                                        std::int64_t first_line);
// Both, for a whole file.
[[nodiscard]] nlohmann::json load_json(const std::filesystem::path& path);

// Throws ConfigError beginning with `where` unless `json` is an object that has every one of `keys`.
void require_keys(const nlohmann::json& json, std::initializer_list<const char*> keys, const std::string& where);
// Throws ConfigError unless the object's "schema" is `schema`.
void require_schema(const nlohmann::json& json, const char* schema, const std::filesystem::path& path);

}  // namespace sextant
