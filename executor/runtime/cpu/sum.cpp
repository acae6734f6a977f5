#include "executor/runtime/cpu/sum.h"

#include <vector>

namespace sextant {
namespace {

template <typename T>
void sum_typed(void* sum, std::span<const void* const> parts, std::size_t count) {
  std::vector<const T*> typed;
  typed.reserve(parts.size());
  for (const void* part : parts) typed.push_back(static_cast<const T*>(part));
  sum_in_rank_order<T>(static_cast<T*>(sum), typed, count);
}

}  // namespace

void sum_in_rank_order(void* sum, std::span<const void* const> parts, std::size_t count, DataType type) {
  switch (type) {
    case DataType::kFloat32:
      return sum_typed<float>(sum, parts, count);
    case DataType::kFloat64:
      return sum_typed<double>(sum, parts, count);
  }
}

}  // namespace sextant
