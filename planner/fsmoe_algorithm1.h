// FSMoE's Algorithm 1 (section 4 of the paper) as published: the pipeline degree by four cases, each
// minimised over real r by sequential least-squares programming (SLSQP).
//
// A plan uses the exact optimum over integers (pipeline_degree.h); this stands beside it, so that the gap
// is known. Symbols as in moe_block.h; G is the gradient slice in the block.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "planner/moe_block.h"

namespace sextant {

// t(r) = alpha + n beta / r: the time of one of r chunks of a task (section 4.1 of the paper).
struct ChunkLine {
  Seconds alpha;
  Seconds whole;  // n beta, the whole volume's time without start-up
  [[nodiscard]] Seconds at(double degree) const { return alpha + whole / degree; }
};

struct BlockLines {
  ChunkLine all_to_all;  // a
  ChunkLine gather;      // g
  ChunkLine expert;      // e
  ChunkLine scatter;     // s
  [[nodiscard]] ChunkTimes at(double degree) const;
};

// The lines through the chunk times at degrees 1 and `max_degree`; exact where costs are lines, as the
// paper assumes. A falling line (negative start-up) is levelled to alpha = 0. REQUIRES: max_degree >= 2.
[[nodiscard]] BlockLines block_lines(const std::function<ChunkTimes(int degree)>& chunk_times_at, int max_degree);

// The paper's cases; which one holds at r follows from its predicates Q1 to Q7.
enum class BlockCase {
  kNetworkBound = 1,    // 2 r a + G
  kComputeBound = 2,    // 2 a + g + s + r e
  kAllToAllBound = 3,   // 2 r a + g + s
  kLocalLinkBound = 4,  // 2 a + r (g + s)
};
[[nodiscard]] BlockCase paper_case(const BlockLines& lines, double degree, Seconds gradient);
// The paper's formula for that case: exact where g = s, otherwise at most closed_form_time (spec 4.3).
[[nodiscard]] Seconds paper_time(const BlockLines& lines, double degree, Seconds gradient);

struct RealDegree {
  double degree = 1.0;
  Seconds time;  // by the case's formula
  BlockCase block_case = BlockCase::kComputeBound;
};
// FindOptimalPipelineDegree of the paper over r in [1, max_degree]. Each region of each case is solved by
// NLopt's LD_SLSQP from the starting point of the authors' code; the least of the feasible minima is returned.
[[nodiscard]] RealDegree find_optimal_pipeline_degree(const BlockLines& lines, Seconds gradient, int max_degree);

// The one of floor(r) and ceil(r) with the smaller paper_time; ties go to the smaller degree.
[[nodiscard]] int rounded_degree(const BlockLines& lines, Seconds gradient, const RealDegree& real, int max_degree);

// The published algorithm beside the exact optimum, on the same costs.
struct DegreeComparison {
  double slsqp_degree = 1.0;  // real
  int slsqp_rounded = 1;
  Seconds slsqp_time;  // exact makespan at slsqp_rounded
  int exact_degree = 1;
  Seconds exact_time;
  double gap = 0.0;  // slsqp_time / exact_time - 1, never negative
};
[[nodiscard]] DegreeComparison compare_degrees(const std::function<ChunkTimes(int degree)>& chunk_times_at,
                                               int max_degree, const BlockOptions& options);
// The same for a block of `step`, without gradients in it; nothing where `policy` does not give the block
// three queues, since the paper's cases know no other.
[[nodiscard]] std::optional<DegreeComparison> compare_degrees(const StepShape& step, const CostModel& costs,
                                                              Policy policy, Pass pass, int max_degree);
// "SLSQP r = 3.72 -> 4 (10.02 ms), exact r = 4 (10.02 ms), gap 0.00 %"
[[nodiscard]] std::string to_text(const DegreeComparison& comparison);

}  // namespace sextant
