// Which layers a pipeline stage has room for, asked so often that it must take nanoseconds.
#pragma once

#include <array>
#include <optional>

#include "models/setup_memory.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

// Says what StageMemory::total(...) <= limit says, to the last byte: of given kinds of layers the memory of a stage is
// linear in their numbers and in these times the micro-batches in flight; near the limit it is counted term by term.
class StageRoom {
 public:
  // `memory` and `setup` must outlive this; `setup` as StageMemory's, but DualPipe, whose devices hold two stages.
  StageRoom(const StageMemory& memory, const TrainingSetup& setup, Bytes limit);

  [[nodiscard]] bool fits(const StageLayers& layers, Recompute recompute);

 private:
  // fixed + dense layers (dense + in flight x kept_dense) + MoE layers (...), bytes
  struct Line {
    double fixed = 0.0;
    double dense = 0.0, kept_dense = 0.0;
    double moe = 0.0, kept_moe = 0.0;
  };
  static constexpr std::size_t kNumPlaces = 4;  // a stage is the first, the last, both or neither
  static constexpr std::size_t kNumMixes = 3;   // dense layers, MoE layers, both

  const Line& line(const StageKinds& kinds, Recompute recompute);
  [[nodiscard]] Line measured(const StageKinds& kinds, Recompute recompute) const;

  const StageMemory& memory_;
  const TrainingSetup& s_;
  Bytes limit_;
  std::array<std::array<std::array<std::optional<Line>, kNumMixes>, kNumPlaces>, kNumRecomputes> lines_;
};

}  // namespace sextant
