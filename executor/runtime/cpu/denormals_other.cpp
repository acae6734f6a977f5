#include "executor/runtime/cpu/denormals.h"

namespace sextant {

bool flush_denormals() {
  return false;
}

}  // namespace sextant
