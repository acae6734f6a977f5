// The layer whose times and degrees are known: Mixtral-8x7B (M = 4096, H = 14336, SwiGLU) on testbed A
// of the FSMoE paper, 6 nodes of 8 A6000, B = 1, L = 1024, k f = 2.4. All values in milliseconds,
// with the coefficients of the authors' code (per float32 element; models of the paper's section 4.1).
#pragma once

#include "planner/moe_block.h"

namespace sextant::golden {

constexpr double kMillisecond = 1e-3;
constexpr double kDispatched = 1258291.2;           // n_a2a = k f B L M / 8
constexpr double kGathered = 10066329.6;            // n_ag = n_rs = k f B L M
constexpr double kExpertMacs = 5.4116587929600e10;  // k f B L M * H / 8 * 3 matrices

// One of `degree` chunks; the backward of the experts takes twice the forward.
inline ChunkTimes chunk(int degree, Pass pass) {
  const double passes = pass == Pass::kBackward ? 2.0 : 1.0;
  const auto line = [degree](double alpha, double beta, double amount) {
    return Seconds((alpha + beta * amount / degree) * kMillisecond);
  };
  return {line(0.28745790958, 2.3201445211e-6, kDispatched), line(0.33789345076, 2.3477633843e-7, kGathered),
          passes * line(3.0 * 0.0426, 4.0 * 2.29e-11, kExpertMacs), line(0.39538829900, 2.2171110136e-7, kGathered)};
}

// Rows of the table: makespans of the three-queue model by degree.
struct Row {
  int degree;
  double forward_ms;
  double backward_ms;
  double window_ms;           // of the backward: idle time that gradients can use
  double backward_with_10ms;  // backward with a slice of 10 ms
};
inline constexpr Row kRows[] = {
    {1, 16.8271, 21.9119, 15.4982, 21.9119}, {2, 11.7379, 16.9506, 9.9619, 16.9887},
    {3, 10.1267, 15.4672, 7.9036, 17.5636},  {4, 10.0206, 14.8533, 6.7148, 18.1385},
    {6, 10.7875, 14.4950, 5.2066, 19.2883},  {8, 11.8997, 14.5714, 4.1332, 20.4382},
    {16, 17.2675, 17.2675, 2.2300, 25.0375},
};

}  // namespace sextant::golden
