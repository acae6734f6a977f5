#include "models/plain_text.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace sextant {
namespace {

// A row of table 3-7 of the Unicode standard: first bytes, how many follow, and the range of the second.
struct Utf8Form {
  std::uint8_t first, last;
  std::size_t following;
  std::uint8_t second_low, second_high;
};
constexpr std::array kForms{
    Utf8Form{0x00, 0x7f, 0, 0x80, 0xbf}, Utf8Form{0xc2, 0xdf, 1, 0x80, 0xbf}, Utf8Form{0xe0, 0xe0, 2, 0xa0, 0xbf},
    Utf8Form{0xe1, 0xec, 2, 0x80, 0xbf}, Utf8Form{0xed, 0xed, 2, 0x80, 0x9f}, Utf8Form{0xee, 0xef, 2, 0x80, 0xbf},
    Utf8Form{0xf0, 0xf0, 3, 0x90, 0xbf}, Utf8Form{0xf1, 0xf3, 3, 0x80, 0xbf}, Utf8Form{0xf4, 0xf4, 3, 0x80, 0x8f}};

bool is_between(char c, std::uint8_t low, std::uint8_t high) {
  return static_cast<std::uint8_t>(c) >= low && static_cast<std::uint8_t>(c) <= high;
}

// Bytes of the character that `text` begins with; 0 where it begins with none. REQUIRES: text is not empty.
std::size_t character_bytes(std::string_view text) {
  const auto* const form =
      std::ranges::find_if(kForms, [&](const Utf8Form& f) { return is_between(text[0], f.first, f.last); });
  if (form == kForms.end() || text.size() <= form->following) return 0;
  for (std::size_t i = 1; i <= form->following; ++i) {
    const bool is_second = i == 1;
    if (!is_between(text[i], is_second ? form->second_low : 0x80, is_second ? form->second_high : 0xbf)) return 0;
  }
  return form->following + 1;
}

}  // namespace

std::size_t utf8_prefix(std::string_view text) {
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t bytes = character_bytes(text.substr(end));
    if (bytes == 0) break;
    end += bytes;
  }
  return end;
}

std::string one_line(std::string_view text, std::size_t max_bytes) {
  const bool is_cut = text.size() > max_bytes;
  std::string line(text.substr(0, max_bytes));
  if (is_cut && utf8_prefix(text) == text.size()) line.resize(utf8_prefix(line));  // no half of a character
  std::ranges::replace_if(
      line, [](char c) { return static_cast<std::uint8_t>(c) < 0x20 || c == 0x7f; }, '?');
  return is_cut ? line + "..." : line;
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMaxShown = 60;
  return "\"" + one_line(text, kMaxShown) + "\"";
}

}  // namespace sextant
