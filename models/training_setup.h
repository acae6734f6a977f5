// How a network is trained at scale, beyond what the bundled executor runs: pipeline stages, sharded
// optimizer states, recomputation, 8-bit products.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "models/layout.h"
#include "models/network.h"

namespace sextant {

enum class Precision { kBf16, kFp8 };  // of the products; activations and collectives stay at 16 bits
[[nodiscard]] const char* to_text(Precision precision);

enum class Recompute {
  kNone,
  kSelective,  // the attention's core (Korthikanti et al., 2022)
  kFull,       // every layer, from its input
};
inline constexpr int kNumRecomputes = 3;
[[nodiscard]] const char* to_text(Recompute recompute);

// In which order a pipeline's stages work on their micro-batches.
enum class PipelineSchedule {
  k1F1B,        // one forward, one backward; interleaved where there are virtual stages (Narayanan et al., 2021)
  kZeroBubble,  // ZB-H1: weight gradients fill the bubble, memory as 1F1B (Qi et al., "Zero Bubble", ICLR 2024)
  kDualPipe,    // micro-batches enter at both ends, forwards run beside backwards (DeepSeek-V3, section 3.2.1)
};
inline constexpr int kNumPipelineSchedules = 3;
[[nodiscard]] const char* to_text(PipelineSchedule schedule);

// How tokens reach their experts. What each sends over which links: models/dispatch_traffic.h.
enum class Dispatch {
  kFlat,            // one all-to-all; a token crosses to a node once for each of its experts there
  kHierarchical1D,  // gathered by one rank of each node, exchanged between those, scattered (HetuMoE, 2022)
  kHierarchical2D,  // inside each node, then between ranks of the same place in their nodes (Tutel, MLSys 2023)
  kDeduplicated,    // once a node, then inside it (DeepEP, HybridEP)
};
inline constexpr int kNumDispatches = 4;
[[nodiscard]] const char* to_text(Dispatch dispatch);

// What the collectives of the experts run beside.
enum class Overlap {
  kNone,
  kChunks,  // the experts, in chunks of the tokens, and shared experts (FSMoE, ASPLOS 2025, section 4; Tutel)
  // The passes of another micro-batch, a forward and a backward at a time (Megatron-Core,
  // --overlap-moe-expert-parallel-comm; DualPipe always).
  kMicroBatches,
};
inline constexpr int kNumOverlaps = 3;
[[nodiscard]] const char* to_text(Overlap overlap);

struct TrainingSetup {
  ParallelDegrees degrees;
  std::int64_t micro_batch = 1;  // samples per data-parallel replica
  std::int64_t num_micro_batches = 1;
  std::int64_t sequence = 0;
  PipelineSchedule pipeline = PipelineSchedule::k1F1B;
  int virtual_stages = 1;  // chunks of layers that a pipeline rank holds (interleaved 1F1B)
  // Layers of each pipeline stage, [pp]; with virtual stages, of all chunks of a rank. Empty: as even as can be, the
  // first stages one longer.
  std::vector<int> stage_layers{};
  int zero_stage = 1;  // 0: nothing sharded over data parallelism; 1 optimizer; 2 gradients; 3 parameters (FSDP)
  Recompute recompute = Recompute::kNone;
  // Of each pipeline stage, [pp], where they differ; `recompute` is none then. Empty: `recompute` on every stage.
  std::vector<Recompute> stage_recompute{};
  Precision precision = Precision::kBf16;
  Dispatch dispatch = Dispatch::kFlat;
  Overlap overlap = Overlap::kNone;
  int forward_degree = 1;  // chunks of the MoE block, in its forward and in its backward
  int backward_degree = 1;
  // Rows of the rank whose experts get most, in rows of the mean rank, where experts are spread over ranks: all wait
  // for it. An assumption, not a choice.
  double expert_imbalance = 1.0;
  bool sequence_parallel = true;  // what tensor parallelism does not cut, cut along the sequence
  bool fused_attention = true;    // probabilities never reach memory; causal blocks are skipped
  // Of dense layers, tensor-parallel traffic runs beside the products that need it (user buffers of Transformer
  // Engine).
  bool overlaps_tensor_parallel = false;
  // The expert grid is laid over all ranks of a stage (parallel folding). Otherwise experts are spread over data
  // parallelism only: expert groups stride over tp * cp.
  bool folded = true;
  // Parameters gathered once a step although they are sharded (ZeRO 3 without resharding after the forward).
  bool keeps_gathered = false;

  [[nodiscard]] int world_size() const { return degrees.pp * degrees.dp * degrees.cp * degrees.tp; }
  [[nodiscard]] std::int64_t global_batch() const { return micro_batch * num_micro_batches * degrees.dp; }
  // Tokens of one micro-batch that a tensor-parallel group sees, and one rank's share of them.
  [[nodiscard]] double group_tokens() const {
    return static_cast<double>(micro_batch) * static_cast<double>(sequence) / degrees.cp;
  }
  [[nodiscard]] double rank_tokens() const { return group_tokens() / degrees.tp; }
  bool operator==(const TrainingSetup&) const = default;
};
// As even as can be, the first ones one longer. REQUIRES: 1 <= stages <= layers.
[[nodiscard]] std::vector<int> even_stages(int layers, int stages);
// setup.stage_layers, or the even stages where it is empty.
[[nodiscard]] std::vector<int> stage_layers(const Network& network, const TrainingSetup& setup);
[[nodiscard]] Recompute recompute_of(const TrainingSetup& setup, int stage);
// Gives the stages what they recompute: as `recompute` where all do the same. REQUIRES: one entry or more.
void set_stage_recompute(TrainingSetup& setup, const std::vector<Recompute>& stages);
// expert_imbalance as far as the experts are spread: a rank of ep gets at most all rows, ep times the mean.
[[nodiscard]] double busiest_rank(const TrainingSetup& setup);
// Copies of a stage's parameters that are not replicas of data parallelism: 2 under DualPipe, whose devices hold a
// stage of each direction.
[[nodiscard]] int stage_copies(const TrainingSetup& setup);

// Whether a forward runs beside a backward of another micro-batch, so that dispatch has computation to hide under.
[[nodiscard]] bool pairs_passes(const TrainingSetup& setup);
// Whether 1F1B can: one stage with two micro-batches or more, or a pipeline with virtual stages, whose forwards and
// backwards of a moment do not wait for each other (Megatron-Core demands them).
[[nodiscard]] bool can_pair_passes(const TrainingSetup& setup);
// Of the forwards, and as many backwards, of a rank those that run alone before and after the pairs. One stage: the
// first forward, 1 / m of m micro-batches. Interleaved: on the last rank (v - 1) pp + 1 of m v chunks (Megatron-LM's
// warm-up and one more, core/pipeline_parallel/schedules.py). DualPipe: none, its bubble counts them.
// REQUIRES: pairs_passes(setup).
[[nodiscard]] double unpaired_share(const TrainingSetup& setup);

// Parameters that a device holds if nothing is sharded over data parallelism.
struct HeldParameters {
  double dense = 0.0;
  double experts = 0.0;
};
// Of the mean stage, with the token table of the first, and the output matrix where that stage is the last too: what
// gradients are reduced and states updated for.
[[nodiscard]] HeldParameters held_parameters(const Network& network, const TrainingSetup& setup);
// "none", "full", "full on stages 0-2, selective on stage 4"
[[nodiscard]] std::string recompute_text(const TrainingSetup& setup);
// "pp8 dp4 tp2 | edp1 ep8 esp1, 1 x 32, v2, ZeRO-1, full recompute"; "..., full recompute on stages 0-2"
[[nodiscard]] std::string to_text(const TrainingSetup& setup);

}  // namespace sextant
