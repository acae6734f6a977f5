// All that the tasks of one rank's training step share.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "executor/device_buffer.h"
#include "executor/layers/route.h"
#include "executor/parameters.h"
#include "executor/runtime/groups.h"
#include "executor/transformer.h"
#include "executor/transformer/activations.h"
#include "executor/transformer/dimensions.h"
#include "executor/transformer/weights.h"

namespace sextant {

// Where the rows of one layer lie in the exchange buffers, by phase; follows from the pipeline degrees.
struct LayerOrder {
  OrderLayout forward;
  OrderLayout backward;
};

// Tokens of this rank, [num_micro_batches, B, L / tp].
struct TokenBatch {
  std::vector<std::int32_t> inputs;
  std::vector<std::int32_t> targets;
};

// Of one step, on this rank; written by compute tasks only.
struct StepSums {
  std::int64_t dropped = 0;
  double auxiliary_loss = 0.0;  // sum over layers and micro-batches
  double learning_rate = 0.0;
};

template <typename T>
struct TransformerState {
  // Entries of `reduced`, summed over all ranks before the update.
  static constexpr std::size_t kSquaredNorm = 0;
  static constexpr std::size_t kLoss = 1;
  static constexpr std::size_t kNumReduced = 2;

  TransformerState(const StepShape& step_shape, World& world, std::uint64_t seed, const TransformerOptions& options);

  // The micro-batches in flight each have their own.
  [[nodiscard]] MicroBatchActivations<T>& activations(int micro_batch) {
    return slots[static_cast<std::size_t>(micro_batch) % slots.size()];
  }
  [[nodiscard]] std::span<const std::int32_t> inputs(int micro_batch) const { return part(batch.inputs, micro_batch); }
  [[nodiscard]] std::span<const std::int32_t> targets(int micro_batch) const {
    return part(batch.targets, micro_batch);
  }
  // Between tokens and the rows of `layout`.
  [[nodiscard]] RowMap<T> row_map(const OrderLayout& layout, const LayerActivations<T>& kept) const {
    return {dims.route, layout, source, kept.routing};
  }

  StepShape step;
  Dimensions dims;
  int tp_index;
  OptimizerOptions optimizer;
  std::shared_ptr<LayoutGroups> groups;
  ParameterStore<T> parameters;
  Weights<T> weights;
  std::vector<std::int32_t> source;  // [S] of each token; empty where this rank is the only source
  std::vector<MicroBatchActivations<T>> slots;
  Workspace<T> workspace;
  std::vector<LayerOrder> orders;  // [layers]
  TokenBatch batch;
  StepSums sums;
  DeviceBuffer<double> reduced;  // [kNumReduced]
  std::int64_t num_updates = 0;

 private:
  [[nodiscard]] std::span<const std::int32_t> part(const std::vector<std::int32_t>& tokens, int micro_batch) const {
    const auto count = static_cast<std::size_t>(dims.tokens());
    return std::span<const std::int32_t>(tokens).subspan(static_cast<std::size_t>(micro_batch) * count, count);
  }
};

}  // namespace sextant
