// The pipeline degree of a MoE block: FSMoE's question (section 4 of the paper), answered exactly.
#pragma once

#include <functional>
#include <vector>

#include "models/units.h"
#include "planner/moe_block.h"

namespace sextant {

struct DegreeChoice {
  int degree = 1;
  Seconds time;
  std::vector<Seconds> times;  // [degree - 1], every degree that was evaluated
};

// The degree in 1..max_degree of least block_time; ties go to the smaller one.
// `chunk_times_at(r)` prices one of r chunks. REQUIRES: max_degree >= 1.
[[nodiscard]] DegreeChoice choose_degree(const std::function<ChunkTimes(int degree)>& chunk_times_at, int max_degree,
                                         const BlockOptions& options, BlockQueues queues);

}  // namespace sextant
