// A rectangular slice of a row-major tensor.
#pragma once

#include <algorithm>
#include <cstdint>
#include <span>
#include <vector>

namespace sextant {

struct TensorSlice {
  std::span<const std::int64_t> shape;   // of the whole tensor, [dim]
  std::span<const std::int64_t> begin;   // of the slice in it
  std::span<const std::int64_t> extent;  // of the slice
};

// Calls `copy(whole, part, count)` for every run of elements of the slice that lies in one piece in the
// tensor: `count` elements from `whole` in the tensor and from `part` in the slice.
// REQUIRES: at least one dim, no extent of 0.
template <typename Copy>
void for_each_run(const TensorSlice& slice, Copy&& copy) {
  const std::size_t num_dims = slice.shape.size();
  const std::int64_t count = slice.extent[num_dims - 1];
  std::vector<std::int64_t> index(num_dims, 0);  // in the slice, of the run's first element
  for (std::int64_t part = 0;; part += count) {
    std::int64_t whole = 0;
    for (std::size_t d = 0; d < num_dims; ++d) whole = whole * slice.shape[d] + slice.begin[d] + index[d];
    copy(whole, part, count);
    std::size_t d = num_dims - 1;  // the next row: count up all dims but the last, like an odometer
    while (d > 0 && ++index[d - 1] == slice.extent[d - 1]) index[--d] = 0;
    if (d == 0) return;
  }
}

template <typename T>
void copy_into_whole(const TensorSlice& slice, std::span<const T> part, std::span<T> whole) {
  for_each_run(slice, [&](std::int64_t in_whole, std::int64_t in_part, std::int64_t count) {
    std::copy_n(part.begin() + in_part, count, whole.begin() + in_whole);
  });
}

template <typename T>
void copy_from_whole(const TensorSlice& slice, std::span<const T> whole, std::span<T> part) {
  for_each_run(slice, [&](std::int64_t in_whole, std::int64_t in_part, std::int64_t count) {
    std::copy_n(whole.begin() + in_whole, count, part.begin() + in_part);
  });
}

}  // namespace sextant
