// The whole numbers that divide a number: candidates for degrees.
#pragma once

#include <cstdint>
#include <vector>

namespace sextant {

// Divisors of `number` up to `limit`, ascending. REQUIRES: number >= 1.
[[nodiscard]] std::vector<int> divisors(std::int64_t number, std::int64_t limit);
[[nodiscard]] inline std::vector<int> divisors(std::int64_t number) {
  return divisors(number, number);
}

}  // namespace sextant
