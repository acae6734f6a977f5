// Time of one micro-batch in one layer and in the head, term by term, on a machine known by reference only: what
// models/step_estimate.h makes steps of. Formulas: models/README.md, section 8.
#pragma once

#include "models/cluster.h"
#include "models/network.h"
#include "models/step_terms.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

// What holds for training frameworks of today rather than for a machine. Passes are traversals of the named
// tensor through memory, forward; the backward makes twice as many. Chosen once so that the published runs
// (tests/validation/published_runs.csv) have no bias; no network, source or row has its own.
struct FrameworkAssumptions {
  double residual_passes = 19.0;             // [tokens, M]: two norms, residuals, dropout, casts
  double attention_passes = 3.2;             // [tokens, heads * head_dim]: rotary, layout
  double feed_forward_passes = 3.2;          // [tokens, hidden]: activation
  double permute_passes = 8.0;               // [tokens * top_k, M]: order and inverse order
  double probability_passes = 8.0;           // [heads, sequence, sequence], where attention is not fused
  double logit_passes = 6.4;                 // [tokens, vocabulary] in 32 bits
  double unfused_efficiency = 0.8;           // of products inside attention that is not fused
  double ring_attention_efficiency = 0.75;   // of attention cut over cp, to whole attention
  double all_to_all_efficiency_intra = 0.9;  // of the link's bandwidth
  double all_to_all_efficiency_inter = 0.8;
  // Between nodes: a message of 64 B takes 3.7 us (arXiv 2505.09343, Table 5), NCCL has 8 under way at once
  // (NCCL_MAX_DEV_WORK_P2P_PER_BATCH); the first eight are part of a collective's latency.
  Seconds message_latency{3.7e-6};
  int messages_at_once = 8;
  double exposed_dispatch = 0.6;  // share of de-duplicated dispatch that is not hidden where nothing is overlapped
  // Of the device's multiprocessors those that dispatch takes from the computation beside it, 20 of 132
  // (arXiv 2412.19437, section 3.2.2).
  double dispatch_multiprocessors = 20.0 / 132.0;
  double gradient_link_efficiency = 0.8;
  double exposed_gradients = 0.5;  // share of the gradient traffic that nothing hides (ZeRO 0 to 2)
  double hidden_by_step = 0.4;     // share of the step that parameter gathering can hide under (ZeRO 3)
  double update_bytes = 24.0;      // moved per parameter by the optimizer, at `memory_efficiency`
  // What the host needs to start the kernels of a MoE layer, forward and backward: with one sample a micro-batch a
  // layer of Qwen3-30B takes 8.8 to 9.7 ms on H100 and on B200 alike (Megatron-Bridge performance summaries 25.11 to
  // 26.06), so that it is not the device that is waited for.
  Seconds host_time_of_moe_layer{8.0e-3};
  // Of these kernels, forward and backward together, the share that each chunk of the tokens starts anew: both
  // all-to-alls, sorting by expert and back, two products, the activation, and their gradients, 16 of about 96. An
  // estimate by counting (Megatron-Core: all-to-all dispatcher, grouped experts): no published run tells it.
  double chunk_kernels = 1.0 / 6.0;
  Seconds step_overhead{20e-3};
};

// Sizes of one attention block, all heads.
struct AttentionDims {
  double query = 0.0;  // heads * head_dim of queries
  double value = 0.0;  // heads * head_dim of values: the input of the output projection
};
[[nodiscard]] AttentionDims attention_dims(const Network& network);

// Consecutive members are `stride` ranks apart.
struct StridedGroup {
  int size = 1;
  int stride = 1;
};

// All-gather or reduce-scatter; `gathered` is the whole buffer. Over several nodes a ring uses the ports of all its
// ranks in a node, at `inter_efficiency`. REQUIRES: cluster.reference.
[[nodiscard]] Seconds ring_time(const Cluster& cluster, Bytes gathered, const StridedGroup& group,
                                double inter_efficiency = 1.0);

// One micro-batch, once through.
struct PassTimes {
  StepTerms forward{};
  StepTerms backward{};      // what is computed again included
  Seconds weight_gradients;  // of the backward: products that nothing waits for
  Seconds host;              // the least that both take: the host starts their kernels
  Seconds hidden;            // communication of the experts that computation hides, forward and backward

  [[nodiscard]] Seconds total() const { return sum(forward) + sum(backward); }
};

// Zero where the network has no such layers.
struct LayerTimes {
  PassTimes dense;  // one dense layer
  PassTimes moe;    // one MoE layer
  PassTimes head;
};

// What chunks of the tokens cost (Overlap::kChunks).
enum class ChunkCosts {
  kReal,   // of the setup's degrees
  kLeast,  // a bound: no degrees take less than whole overlap of one chunk's work
};

// In r chunks (Overlap::kChunks) the MoE block of a pass takes models/chunk_pipeline.h's time_beside: each chunk pays
// the latencies of its collectives, products of 1/r of the rows and the latency of their kernels; shared experts run
// meanwhile. Three queues where the experts' all-to-all stays between nodes and gather and scatter inside them, else
// all communication in one. What of it the block's computation does not hide is exposed; of what it hides,
// dispatch_multiprocessors slows that computation down. De-duplicated dispatch counts whole, without exposed_dispatch.
// REQUIRES: cluster.reference; degrees of at least 1. `cluster.topology.devices_per_node` says how many consecutive
// ranks share a node.
[[nodiscard]] LayerTimes layer_times(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                     const FrameworkAssumptions& framework = {}, ChunkCosts costs = ChunkCosts::kReal);

// The same where passes run in pairs (pairs_passes): dispatch runs beside the computation of the other pass, which it
// takes multiprocessors from (share s): of C the larger of s C and C less the computation is left.
[[nodiscard]] LayerTimes beside_other_direction(LayerTimes times, const FrameworkAssumptions& framework);

// The mean micro-batch under the setup's schedule: `times` where passes do not run in pairs; else
// beside_other_direction but for unpaired_share of the passes, which run alone.
[[nodiscard]] LayerTimes as_scheduled(const LayerTimes& times, const TrainingSetup& setup,
                                      const FrameworkAssumptions& framework);

}  // namespace sextant
