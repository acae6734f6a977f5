#include "models/error.h"

namespace sextant {

void throw_internal_error(const char* condition, const char* file, int line, const std::string& message) {
  throw InternalError(fmt::format("{}:{}: broken invariant `{}`: {}", file, line, condition, message));
}

}  // namespace sextant
