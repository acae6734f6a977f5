// What every fuzz target asserts: an input is answered, or refused in one clear line.
//
// A broken promise is thrown as InternalError (SEXTANT_CHECK). Nothing catches it, nor any other exception that
// the readers do not document, so libFuzzer ends with the input as a finding.
#pragma once

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "models/error.h"
#include "models/units.h"

namespace sextant::fuzz {

inline constexpr const char* kOrigin = "input";

inline std::string_view text_of(const std::uint8_t* data, std::size_t size) {
  return {reinterpret_cast<const char*>(data), size};
}

inline void require_clear(std::string_view message) {
  constexpr std::size_t kMaxMessage = 4096;
  SEXTANT_CHECK(!message.empty() && message.size() <= kMaxMessage, "a refusal of {} bytes", message.size());
  const bool is_line = std::ranges::none_of(message, [](char c) { return static_cast<unsigned char>(c) < 0x20; });
  SEXTANT_CHECK(is_line, "a refusal that is no line: {}", message);
}

// What `read` returns; nothing where it refuses. `about_input`: the refusal begins with the name of the input.
template <typename Read>
auto answer(Read read, bool about_input = true) -> std::optional<decltype(read())> {
  try {
    return read();
  } catch (const ConfigError& error) {
    require_clear(error.what());
    SEXTANT_CHECK(!about_input || std::string_view(error.what()).starts_with(kOrigin), "no place in: {}", error.what());
    return std::nullopt;
  }
}

inline void require_time(Seconds time) {
  SEXTANT_CHECK(std::isfinite(time.value()) && time >= Seconds(0.0), "a time of {} s", time.value());
}

}  // namespace sextant::fuzz
