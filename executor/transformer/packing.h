// Rearranging rows between the order of collectives and the order of computation.
#pragma once

#include <cstdint>

namespace sextant {

// Sequence slices as an all-gather over tp leaves them, [tp][B][L / tp][M], and whole sequences [B][L][M].
struct SequenceSlices {
  std::int64_t tp = 1;
  std::int64_t batch = 0;
  std::int64_t slice_elements = 0;  // L / tp * M
};
template <typename T>
void slices_to_sequences(const SequenceSlices& shape, const T* slices, T* sequences);
template <typename T>
void sequences_to_slices(const SequenceSlices& shape, const T* sequences, T* slices);

// One expert's rows in an exchanged chunk, [sources][local experts][rows][M], and the same rows in the
// canonical order [rows][sources][M].
struct ExpertRows {
  int sources = 1;
  int local_experts = 1;
  int expert = 0;         // local
  std::int64_t rows = 0;  // of each source in this chunk
  std::int64_t model_dim = 0;
};
template <typename T>
void pack_expert_rows(const ExpertRows& shape, const T* chunk, T* canonical);
template <typename T>
void unpack_expert_rows(const ExpertRows& shape, const T* canonical, T* chunk);

}  // namespace sextant
