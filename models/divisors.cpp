#include "models/divisors.h"

#include <algorithm>

namespace sextant {

std::vector<int> divisors(std::int64_t number, std::int64_t limit) {
  std::vector<int> result;
  for (std::int64_t d = 1; d <= std::min(number, limit); ++d) {
    if (number % d == 0) result.push_back(static_cast<int>(d));
  }
  return result;
}

}  // namespace sextant
