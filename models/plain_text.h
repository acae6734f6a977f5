// Text from outside, on its way into a message or a file of ours.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace sextant {

// Bytes before the first that is not UTF-8 (RFC 3629); the size of the text where all of it is.
[[nodiscard]] std::size_t utf8_prefix(std::string_view text);

// At most `max_bytes` of a text without control characters, for one line of a message; "..." behind what was cut.
[[nodiscard]] std::string one_line(std::string_view text, std::size_t max_bytes);

// The same in quotes, at most 60 bytes: what a message may show of the user's text.
[[nodiscard]] std::string shown(std::string_view text);

}  // namespace sextant
