// Memory that one device needs under a training setup, term by term, on the stage that needs most of it.
//
// Counts of activations: Korthikanti et al., "Reducing Activation Recomputation" (2022), section 4, extended to
// gated feed-forwards, grouped and latent attention and experts. 16-bit activations, 8-bit inputs of 8-bit products,
// 32-bit gradients, AdamW with 32-bit master weights and moments.
#pragma once

#include <array>
#include <functional>
#include <vector>

#include "models/memory_model.h"
#include "models/network.h"
#include "models/stage_split.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

struct MemoryAssumptions {
  double parameter_bytes = 2.0;
  double gradient_bytes = 4.0;
  double optimizer_bytes = 12.0;  // master weight and two moments
  double logit_bytes = 4.0;       // 16-bit logits and their gradient (Megatron-LM, --cross-entropy-loss-fusion)
  // Where products add to the 32-bit gradients, autograd still wants a gradient: an empty one, kept for every shape of
  // matrix (Transformer Engine 2.3, get_dummy_wgrad; Megatron-LM makes one for the output matrix while it is at work).
  double placeholder_bytes = 2.0;
  // What ZeRO 2 and 3 hold whole while it is at work is in 16 bits: of one layer's gradients at most half as many
  // elements as of two layers' parameters, this one's and the next one's (DeepSpeed, stage3_max_live_parameters and
  // reduce_bucket_size).
  double whole_parameters = 1e9;
  Bytes reserve{3e9};           // context of the device, communicators, libraries
  double fragmentation = 0.03;  // of everything else, lost by the allocator
};

// Layers of either kind on pipeline stage `stage`: all that its memory depends on.
struct StageKinds {
  int stage = 0;
  int dense = 0;
  int moe = 0;
};

// Micro-batches whose activations a stage holds at most, in activations of all its layers; at most all of them:
//   1F1B         pp - stage; interleaved pp + (pp - 1 - 2 stage) / v (Narayanan et al., 2021). Pairs of passes start
//   one
//                forward earlier, but each frees a layer for every layer that it adds: one layer more
//   ZB-H1        pp, on every stage: what waits for its weight gradients included (Qi et al., 2024)
//   DualPipe     (pp + 1) / 2 of either stage that the device holds (arXiv 2412.19437, table 2)
[[nodiscard]] double micro_batches_in_flight(const TrainingSetup& setup, int stage);

// The whole of one device: prices any stage of one setup in constant time, whatever setup.stage_layers and its
// recomputation say.
class StageMemory {
 public:
  // `network` and `setup` must outlive this. The same preconditions as estimate_step (models/step_estimate.h).
  StageMemory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions = {});

  // Never less for more layers.
  [[nodiscard]] Bytes total(const StageLayers& layers, Recompute recompute) const;
  // The same with so many micro-batches in flight instead of micro_batches_in_flight.
  [[nodiscard]] Bytes total(const StageKinds& kinds, Recompute recompute, double in_flight) const;
  [[nodiscard]] StageKinds kinds(const StageLayers& layers) const;
  // What the largest device needs at least, whatever the split of the layers, with the setup's schedule and
  // recomputation `recompute` on every stage: the mean of the stages, each with as few micro-batches in flight as any.
  [[nodiscard]] Bytes largest_at_least(Recompute recompute) const;
  // The largest device under these stages and the setup's recomputation; under DualPipe it holds a stage and its mirror
  // image.
  [[nodiscard]] MemoryBreakdown largest(const std::vector<int>& stages) const;
  [[nodiscard]] Bytes largest_total(const std::vector<int>& stages) const;
  // The same with one recomputation for all.
  [[nodiscard]] Bytes largest_total(const std::vector<int>& stages, Recompute recompute) const;

 private:
  static constexpr std::size_t kNumTerms = 14;
  using Terms = std::array<double, kNumTerms>;  // bytes

  struct LayerBytes {
    double parameters = 0.0;     // elements, without experts
    double experts = 0.0;        // elements of experts
    double feed_forwards = 0.0;  // elements of one feed-forward of each shape
    double attention = 0.0;      // activations kept without recomputation, as the next; but no probabilities
    double feed_forward = 0.0;
  };
  // Of a stage, or means of all stages.
  struct Contents {
    double dense = 0.0;  // layers
    double moe = 0.0;
    double tables = 0.0;
    double in_flight = 0.0;  // micro-batches
  };
  // Layers whose activations are kept, once for each micro-batch.
  struct KeptLayers {
    double dense = 0.0;
    double moe = 0.0;
  };
  using RecomputeOf = std::function<Recompute(int stage)>;

  [[nodiscard]] Terms sums(const Contents& of, Recompute recompute) const;
  void add_activations(Terms& terms, const KeptLayers& kept, Recompute recompute) const;
  void add_one_layer(Terms& terms, const Contents& of, Recompute recompute) const;
  [[nodiscard]] Terms terms(const StageKinds& kinds, Recompute recompute, double in_flight) const;
  [[nodiscard]] Terms finished(Terms terms) const;
  [[nodiscard]] Terms largest_terms(const std::vector<int>& stages, const RecomputeOf& recompute) const;
  [[nodiscard]] double dispatcher_bytes() const;
  [[nodiscard]] double placeholder_elements(bool has_dense, bool has_moe) const;
  [[nodiscard]] double whole_bytes(bool has_dense, bool has_moe, double parameters) const;

  const Network& n_;
  const TrainingSetup& s_;
  MemoryAssumptions assumptions_;
  LayerBytes dense_, moe_;
  double probabilities_ = 0.0;     // bytes of one layer, where attention is not fused and nothing recomputed
  double layer_input_ = 0.0;       // bytes
  double table_ = 0.0;             // elements of the token table on one rank
  double logits_ = 0.0;            // bytes
  std::vector<int> dense_before_;  // [layers + 1] dense layers before the n-th
};

// Of a breakdown of this model: what the allocator hands out, neither the reserve nor what the allocator loses
// (PyTorch's max_memory_allocated); with what it loses (max_memory_reserved).
[[nodiscard]] Bytes allocated(const MemoryBreakdown& memory);
[[nodiscard]] Bytes held_by_allocator(const MemoryBreakdown& memory);

// StageMemory::largest of the setup's stages.
[[nodiscard]] MemoryBreakdown setup_memory(const Network& network, const TrainingSetup& setup,
                                           const MemoryAssumptions& assumptions = {});

}  // namespace sextant
