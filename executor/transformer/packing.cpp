#include "executor/transformer/packing.h"

#include <algorithm>

namespace sextant {
namespace {

// Calls copy(offset in the slices, offset in the sequences) for every piece of slice_elements.
template <typename Copy>
void for_each_slice(const SequenceSlices& shape, const Copy& copy) {
  for (std::int64_t rank = 0; rank < shape.tp; ++rank) {
    for (std::int64_t b = 0; b < shape.batch; ++b) {
      copy((rank * shape.batch + b) * shape.slice_elements, (b * shape.tp + rank) * shape.slice_elements);
    }
  }
}

// Calls copy(offset in the chunk, offset in the canonical rows) for every row of the expert.
template <typename Copy>
void for_each_row(const ExpertRows& shape, const Copy& copy) {
  for (int source = 0; source < shape.sources; ++source) {
    const std::int64_t first = (source * shape.local_experts + shape.expert) * shape.rows;
    for (std::int64_t row = 0; row < shape.rows; ++row) {
      copy((first + row) * shape.model_dim, (row * shape.sources + source) * shape.model_dim);
    }
  }
}

}  // namespace

template <typename T>
void slices_to_sequences(const SequenceSlices& shape, const T* slices, T* sequences) {
  for_each_slice(shape, [&](std::int64_t from, std::int64_t to) {
    std::copy_n(slices + from, shape.slice_elements, sequences + to);
  });
}

template <typename T>
void sequences_to_slices(const SequenceSlices& shape, const T* sequences, T* slices) {
  for_each_slice(shape, [&](std::int64_t to, std::int64_t from) {
    std::copy_n(sequences + from, shape.slice_elements, slices + to);
  });
}

template <typename T>
void pack_expert_rows(const ExpertRows& shape, const T* chunk, T* canonical) {
  for_each_row(shape,
               [&](std::int64_t from, std::int64_t to) { std::copy_n(chunk + from, shape.model_dim, canonical + to); });
}

template <typename T>
void unpack_expert_rows(const ExpertRows& shape, const T* canonical, T* chunk) {
  for_each_row(shape,
               [&](std::int64_t to, std::int64_t from) { std::copy_n(canonical + from, shape.model_dim, chunk + to); });
}

#define SEXTANT_INSTANTIATE(T)                                               \
  template void slices_to_sequences<T>(const SequenceSlices&, const T*, T*); \
  template void sequences_to_slices<T>(const SequenceSlices&, const T*, T*); \
  template void pack_expert_rows<T>(const ExpertRows&, const T*, T*);        \
  template void unpack_expert_rows<T>(const ExpertRows&, const T*, T*)
SEXTANT_INSTANTIATE(float);
SEXTANT_INSTANTIATE(double);
#undef SEXTANT_INSTANTIATE

}  // namespace sextant
