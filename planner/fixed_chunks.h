// Gradient reductions in chunks of one fixed size, as Lina schedules them (ATC 2023; the baseline
// "PipeMoE + Lina" of the FSMoE paper).
#pragma once

#include <vector>

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

// The size that the FSMoE paper names for its Lina baseline (spec 6.1).
inline constexpr Bytes kLinaChunk{30e6};

// The gradients of every unit in chunks of at most `chunk`, all in the tail: for schedules that bring their
// own order.
[[nodiscard]] std::vector<GradientSlice> gradient_chunks(const StepShape& step, Bytes chunk);

// The same, placed. A chunk starts as soon as its
// gradients exist and the communication queue would idle: beside the experts of a block, or beside the
// attention. All-to-alls go first, but nothing is interrupted: a chunk that has started in idle time may
// outlast it and delay what follows. What finds no idle time goes to the tail. Covers every buffer once.
[[nodiscard]] std::vector<GradientSlice> fixed_chunk_slices(const StepShape& step, const CostModel& costs,
                                                            const std::vector<LayerDegrees>& degrees, Bytes chunk);

}  // namespace sextant
