// Sizes of one rank's share of a training step, in the shapes that the layers take.
//
// Legend: B micro_batch, L sequence, M model_dim, E experts, T capacity, N sources of this rank (1, but
// in the reference run), S = B * L / tp tokens of this rank.
#pragma once

#include <cstdint>

#include "executor/layers/attention.h"
#include "executor/layers/expert.h"
#include "executor/layers/head.h"
#include "executor/layers/route.h"
#include "executor/transformer.h"
#include "executor/transformer/packing.h"
#include "models/work.h"

namespace sextant {

struct Dimensions {
  int layers = 0;
  int tp = 1;
  int ep = 1;
  int esp = 1;
  int local_experts = 0;
  std::int64_t sequence_slice = 0;  // L / tp
  AttentionShape attention{};       // whole sequence, heads of this rank
  RouteShape route;                 // tokens of this rank, all experts
  HeadShape head{};
  ExpertShape expert{};        // rows of ONE expert when the whole capacity is one chunk
  double global_tokens = 0.0;  // of one micro-batch, all replicas

  [[nodiscard]] std::int64_t model_dim() const { return route.model_dim; }
  [[nodiscard]] std::int64_t tokens() const { return route.tokens; }
  // Elements of [S, M], of [B, L, M] and of the rows [E, T, N, M] that this rank sends.
  [[nodiscard]] std::int64_t token_elements() const { return tokens() * model_dim(); }
  [[nodiscard]] std::int64_t sequence_elements() const { return token_elements() * tp; }
  [[nodiscard]] std::int64_t row_elements() const {
    return route.experts * route.capacity * route.sources * model_dim();
  }
  [[nodiscard]] SequenceSlices slices() const {
    return {.tp = tp, .batch = attention.batch, .slice_elements = sequence_slice * model_dim()};
  }
  // Ranks whose rows the local experts see, times the sources of each.
  [[nodiscard]] std::int64_t rows_per_capacity() const { return std::int64_t{ep} * esp * route.sources; }
  // Whether rows travel at all; if not, buffers of the exchange are the canonical ones of the experts.
  [[nodiscard]] bool exchanges() const { return ep * esp > 1; }
};

[[nodiscard]] Dimensions dimensions_of(const StepShape& step, SourcePartition sources);

}  // namespace sextant
