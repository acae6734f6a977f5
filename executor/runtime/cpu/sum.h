// Element-wise sum of several ranks' contributions, always in rank order.
//
// Every reduction of the CPU back ends goes through this one function: floating-point addition does
// not associate, so the fixed order is what makes results equal bit for bit on every rank.
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <span>

#include "executor/runtime/runtime.h"

namespace sextant {

// sum[j] = parts[0][j] + parts[1][j] + ...; `sum` may be one of the parts.
template <typename T>
void sum_in_rank_order(T* sum, std::span<const T* const> parts, std::size_t count) {
  constexpr std::size_t kBlock = 1024;  // the running sum stays in the first-level cache
  std::array<T, kBlock> block;
  for (std::size_t begin = 0; begin < count; begin += kBlock) {
    const std::size_t length = std::min(kBlock, count - begin);
    std::copy_n(parts[0] + begin, length, block.data());
    for (const T* part : parts.subspan(1)) {
      for (std::size_t j = 0; j < length; ++j) block[j] += part[begin + j];
    }
    std::copy_n(block.data(), length, sum + begin);
  }
}

// The same for buffers whose type is a value; `parts` point to the first element of each part.
void sum_in_rank_order(void* sum, std::span<const void* const> parts, std::size_t count, DataType type);

}  // namespace sextant
