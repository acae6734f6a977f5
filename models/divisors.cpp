#include "models/divisors.h"

namespace sextant {

std::vector<int> divisors(std::int64_t number, std::int64_t limit) {
  std::vector<int> small, large;  // up to the root, ascending; their partners, descending
  for (std::int64_t d = 1; d <= limit && d * d <= number; ++d) {
    if (number % d != 0) continue;
    small.push_back(static_cast<int>(d));
    const std::int64_t partner = number / d;
    if (partner != d && partner <= limit) large.push_back(static_cast<int>(partner));
  }
  small.insert(small.end(), large.rbegin(), large.rend());
  return small;
}

}  // namespace sextant
