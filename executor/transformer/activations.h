// Memory of one micro-batch in flight: what the forward keeps for the backward, and the buffers that
// carry data from task to task. Legend of shapes: dimensions.h.
#pragma once

#include <cstdint>
#include <vector>

#include "executor/device_buffer.h"
#include "executor/layers/route.h"
#include "executor/runtime/runtime.h"
#include "executor/transformer/dimensions.h"

namespace sextant {

// Kept from a layer's forward to its backward.
template <typename T>
struct LayerActivations {
  DeviceBuffer<T> gathered;  // [B, L, M] input of attention; none where tp == 1: the layer's x
  DeviceBuffer<T> attention_saved;
  DeviceBuffer<T> h;                   // [S, M] x + attention
  DeviceBuffer<T> inverse_rms;         // [S]
  DeviceBuffer<T> normed;              // [S, M] input of gate and experts
  DeviceBuffer<std::int32_t> choices;  // memory of `routing`
  DeviceBuffer<T> gate_values;
  Routing<T> routing;
  DeviceBuffer<T> expert_input;       // canonical: [local experts][T][ep * esp * N][M]
  DeviceBuffer<T> expert_saved;       // [local experts][T][ep * esp * N][hidden]
  DeviceBuffer<T> expert_saved_gate;  // SwiGLU: as expert_saved
  DeviceBuffer<T> combined;           // [E, T, N, M] expert outputs, in the forward's order layout

  LayerActivations(Device& device, const Dimensions& dims);
};

// What a split expert backward keeps of a layer from its input gradients to its weight gradients.
template <typename T>
struct WeightGradientStash {
  DeviceBuffer<T> output_gradient;  // canonical, as LayerActivations::expert_input
  DeviceBuffer<T> hidden;           // canonical, the activated rows, as LayerActivations::expert_saved

  WeightGradientStash(Device& device, const Dimensions& dims);
};

template <typename T>
struct MicroBatchActivations {
  std::vector<DeviceBuffer<T>> x;  // [layers + 1][S, M]: input of every layer, then of the head
  std::vector<LayerActivations<T>> layers;
  DeviceBuffer<T> head_saved;
  DeviceBuffer<double> balance;               // [layers][2 E] sums for the auxiliary loss (add_balance)
  std::vector<WeightGradientStash<T>> stash;  // [2], by layer in turn; empty where the expert backward is whole

  // From one task to the next; a layer's use ends before the next layer's begins.
  DeviceBuffer<T> attended;           // [S, M] attention output
  DeviceBuffer<T> whole;              // [B, L, M] rank-major as collectives over tp see it; tp > 1
  DeviceBuffer<T> whole_ordered;      // [B, L, M] in sequence order
  DeviceBuffer<T> sent;               // [E, T, N, M]
  DeviceBuffer<T> exchanged;          // [E, T, N, M] after the all-to-all, before its return
  DeviceBuffer<T> exchanged_wide;     // [esp, E, T, M]; esp > 1
  DeviceBuffer<T> residual_gradient;  // [S, M] of the layer's output, then of its h
  DeviceBuffer<T> branch_gradient;    // [S, M] of the attention's input, to be added to the above

  MicroBatchActivations(Device& device, const Dimensions& dims, bool splits_expert_backward);

  [[nodiscard]] const WeightGradientStash<T>& stash_of(int layer) const {
    return stash.at(static_cast<std::size_t>(layer) % stash.size());
  }
};

// Scratch memory inside one compute task; all compute tasks of a rank run one after the other.
template <typename T>
struct Workspace {
  DeviceBuffer<T> rotary;
  DeviceBuffer<T> attention;
  DeviceBuffer<T> expert;
  DeviceBuffer<T> expert_rows_in;  // rows of one expert
  DeviceBuffer<T> expert_rows_out;
  DeviceBuffer<T> dlogits;          // [S, E]
  DeviceBuffer<T> normed_gradient;  // [S, M]

  Workspace(Device& device, const Dimensions& dims, double rope_theta);
};

// The buffers that one layer's chunks pass through. Chunk [begin, end) of the capacity is the range
// [begin, end) * E * N * M of each (times esp for the wide ones); a step whose group has one rank is
// an alias, and in a chunk every buffer is read for the last time before its alias is written.
template <typename T>
struct ExchangeBuffers {
  T* sent;       // by the order, all-to-all ->
  T* received;   // all-gather ->
  T* gathered;   // experts ->
  T* partial;    // reduce-scatter ->
  T* scattered;  // all-to-all ->
  T* result;     // to the inverse order
};
template <typename T>
[[nodiscard]] ExchangeBuffers<T> forward_exchange(const Dimensions& dims, const MicroBatchActivations<T>& activations,
                                                  int layer);
template <typename T>
[[nodiscard]] ExchangeBuffers<T> backward_exchange(const Dimensions& dims, const MicroBatchActivations<T>& activations);

}  // namespace sextant
