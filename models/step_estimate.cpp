#include "models/step_estimate.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;
constexpr double kLogitBytes = 4.0;
constexpr double kGradientAndGatherBytes = 6.0;  // a gradient of 4 bytes reduced, a parameter of 2 gathered
constexpr double kBackwardCore = 2.5;  // products of the core's backward, in forwards: fused kernels recompute

using Terms = std::array<Seconds, kNumStepTerms>;

void add(Terms& terms, StepTerm term, Seconds time) {
  terms[static_cast<std::size_t>(term)] += time;
}

void add(Terms& terms, const Terms& others, double factor) {
  for (std::size_t t = 0; t < terms.size(); ++t) terms[t] += factor * others[t];
}

Seconds sum(const Terms& terms) {
  Seconds total;
  for (const Seconds time : terms) total += time;
  return total;
}

// A group whose consecutive members are `stride` ranks apart.
struct StridedGroup {
  int size = 1;
  int stride = 1;
};

// One layer's passes on one micro-batch.
struct LayerTimes {
  Terms forward{};
  Terms backward{};
};

// Sizes of one attention block, all heads.
struct AttentionDims {
  double query = 0.0;  // heads * head_dim of queries
  double value = 0.0;  // heads * head_dim of values: the input of the output projection
};

AttentionDims attention_dims(const Network& n) {
  if (n.mla) {
    const double heads = n.heads;
    return {.query = heads * static_cast<double>(n.mla->qk_nope_head_dim + n.mla->qk_rope_head_dim),
            .value = heads * static_cast<double>(n.mla->v_head_dim)};
  }
  const double dim = static_cast<double>(n.heads) * static_cast<double>(n.head_dim);
  return {.query = dim, .value = dim};
}

class Estimator {
 public:
  Estimator(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
            const FrameworkAssumptions& framework)
      : n_(network),
        s_(setup),
        d_(setup.degrees),
        device_(cluster.device),
        reference_(cluster.reference.value()),
        framework_(framework),
        held_(held_parameters(network, setup)),
        node_(cluster.topology.devices_per_node) {
    model_dim_ = static_cast<double>(n_.model_dim);
    memory_rate_ = device_.memory_bandwidth * reference_.memory_efficiency;
  }

  StepEstimate run() const {
    StepEstimate estimate;
    const Terms stage = stage_terms();
    add(estimate.terms, stage, static_cast<double>(s_.num_micro_batches));
    pipeline(estimate.terms, sum(stage));
    gradients(estimate.terms);
    update(estimate.terms);
    add(estimate.terms, StepTerm::kOverhead, framework_.step_overhead);
    return estimate;
  }

 private:
  // ---- parts ----

  // C [rows, width] = A [rows, depth] B, `count` times.
  Seconds product(double rows, double width, double depth, double count = 1.0) const {
    const bool fp8 = s_.precision == Precision::kFp8 && reference_.peak_fp8 > FlopsPerSecond(0.0);
    const double large = fp8 ? reference_.product_efficiency_fp8 : reference_.product_efficiency;
    const double efficiency =
        large / (1.0 + reference_.half_rows / rows) / (1.0 + reference_.half_width / std::min(width, depth));
    const Flops flops(2.0 * rows * width * depth * count);
    const Bytes bytes(kActivationBytes * (rows * depth + depth * width + rows * width) * count);
    const Seconds computed = flops / ((fp8 ? reference_.peak_fp8 : device_.peak) * efficiency);
    return std::max(computed, bytes / memory_rate_) + reference_.kernel_latency;
  }

  Seconds passes(double count, double elements, double element_bytes = kActivationBytes) const {
    return Bytes(count * elements * element_bytes) / memory_rate_;
  }

  int ranks_inside(const StridedGroup& group) const {
    return std::clamp(node_ / std::max(group.stride, 1), 1, group.size);
  }

  // All-gather or reduce-scatter: `bytes` is the gathered buffer. Rings over several nodes use the ports of
  // all their ranks.
  Seconds ring(double bytes, const StridedGroup& group, double inter_efficiency = 1.0) const {
    if (group.size == 1) return Seconds(0.0);
    const int inside = ranks_inside(group);
    const Bytes moved(bytes * (group.size - 1.0) / group.size);
    if (inside == group.size) return moved / reference_.intra.bandwidth + reference_.intra.latency;
    const BytesPerSecond ports = reference_.inter.bandwidth * (inter_efficiency * inside);
    return moved / std::min(reference_.intra.bandwidth, ports) + reference_.inter.latency;
  }

  // `bytes` is what one rank holds before. What stays in the node and what leaves it move at once.
  Seconds all_to_all(double bytes, const StridedGroup& group) const {
    if (group.size == 1) return Seconds(0.0);
    const double inside = ranks_inside(group);
    const Seconds near = Bytes(bytes * (inside - 1.0) / group.size) /
                         (reference_.intra.bandwidth * framework_.all_to_all_efficiency_intra);
    const Seconds far = Bytes(bytes * (1.0 - inside / group.size) * crossings(group.size / inside)) /
                        (reference_.inter.bandwidth * framework_.all_to_all_efficiency_inter);
    const Seconds time =
        std::max(near, far) + (inside < group.size ? reference_.inter.latency : reference_.intra.latency);
    return time * (s_.dispatch == Dispatch::kDeduplicated ? framework_.exposed_dispatch : 1.0);
  }

  // Of the copies of a token, the share that crosses between `nodes` nodes: all, or one to each node that its
  // top_k experts lie in, when they are spread evenly.
  double crossings(double nodes) const {
    if (s_.dispatch == Dispatch::kFlat) return 1.0;
    const double nodes_hit = nodes * (1.0 - std::pow(1.0 - 1.0 / nodes, n_.top_k));
    return nodes_hit / n_.top_k;
  }

  // ---- one layer ----

  Seconds projections() const {
    const AttentionDims dims = attention_dims(n_);
    Seconds time = product(s_.group_tokens(), model_dim_, dims.value / d_.tp);
    if (!n_.mla) {
      const double kv = 2.0 * static_cast<double>(n_.kv_heads) * static_cast<double>(n_.head_dim);
      return time + product(s_.group_tokens(), (dims.query + kv) / d_.tp, model_dim_);
    }
    const MlaShape& mla = *n_.mla;
    const double kv_rank = static_cast<double>(mla.kv_lora_rank);
    const double up = n_.heads * static_cast<double>(mla.qk_nope_head_dim + mla.v_head_dim);
    if (mla.q_lora_rank) {
      const double q_rank = static_cast<double>(*mla.q_lora_rank);
      time += product(s_.group_tokens(), q_rank, model_dim_) + product(s_.group_tokens(), dims.query / d_.tp, q_rank);
    } else {
      time += product(s_.group_tokens(), dims.query / d_.tp, model_dim_);
    }
    time += product(s_.group_tokens(), kv_rank + static_cast<double>(mla.qk_rope_head_dim), model_dim_);
    return time + product(s_.group_tokens(), up / d_.tp, kv_rank);
  }

  // Forward and backward of scores, softmax and weighted sum.
  std::pair<Seconds, Seconds> core() const {
    const AttentionDims dims = attention_dims(n_);
    const double square = s_.group_tokens() * static_cast<double>(s_.sequence);
    const Flops flops(2.0 * square * (dims.query + dims.value) / d_.tp * window_fraction());
    if (!s_.fused_attention) {
      const Seconds products = flops / (device_.peak * (reference_.product_efficiency * framework_.unfused_efficiency));
      const Seconds softmax = passes(framework_.probability_passes, square * n_.heads / d_.tp);
      return {products + softmax, 2.0 * products + 1.5 * softmax};
    }
    const double ring = d_.cp > 1 ? framework_.ring_attention_efficiency : 1.0;
    const double causal = 0.5;
    return {flops * causal / (device_.peak * (reference_.attention_forward_efficiency * ring)),
            flops * (causal * kBackwardCore) / (device_.peak * (reference_.attention_backward_efficiency * ring))};
  }

  // Share of the square that layers with a sliding window attend to, mean over the layers.
  double window_fraction() const {
    if (!n_.sliding_window) return 1.0;
    const double window =
        std::min(1.0, 2.0 * static_cast<double>(n_.sliding_window->tokens) / static_cast<double>(s_.sequence));
    const double full = n_.sliding_window->full_every > 0 ? 1.0 / n_.sliding_window->full_every : 0.0;
    return full + (1.0 - full) * window;
  }

  double matrices_in() const { return n_.expert_kind == ExpertKind::kSwiglu ? 2.0 : 1.0; }

  Seconds feed_forward(double hidden) const {
    return product(s_.group_tokens(), matrices_in() * hidden / d_.tp, model_dim_) +
           product(s_.group_tokens(), model_dim_, hidden / d_.tp);
  }

  Seconds elementwise() const {
    const double tokens = s_.sequence_parallel ? s_.rank_tokens() : s_.group_tokens();
    return passes(framework_.residual_passes, tokens * model_dim_) +
           passes(framework_.attention_passes, s_.group_tokens() * attention_dims(n_).query / d_.tp);
  }

  // All-gather and reduce-scatter around one block; without sequence parallelism the all-reduce of the same bytes.
  Seconds tensor_parallel() const { return 2.0 * ring(kActivationBytes * s_.group_tokens() * model_dim_, {d_.tp, 1}); }

  void attention_block(LayerTimes& layer) const {
    const auto [core_forward, core_backward] = core();
    const Seconds dense = projections();
    add(layer.forward, StepTerm::kProducts, dense);
    add(layer.backward, StepTerm::kProducts, 2.0 * dense);
    add(layer.forward, StepTerm::kAttention, core_forward);
    add(layer.backward, StepTerm::kAttention, core_backward);
    const double kv = 2.0 * static_cast<double>(n_.kv_heads) * static_cast<double>(n_.head_dim) / d_.tp;
    const Seconds passed_on = ring(kActivationBytes * s_.group_tokens() * d_.cp * kv, {d_.cp, d_.tp});
    add(layer.forward, StepTerm::kContextParallel, std::max(passed_on - core_forward, Seconds(0.0)));
    add(layer.backward, StepTerm::kContextParallel, std::max(2.0 * passed_on - core_backward, Seconds(0.0)));
    add(layer.forward, StepTerm::kElementwise, elementwise());
    add(layer.backward, StepTerm::kElementwise, 2.0 * elementwise());
  }

  LayerTimes dense_layer() const {
    LayerTimes layer;
    attention_block(layer);
    const double hidden = static_cast<double>(n_.dense.hidden_dim);
    const Seconds dense = feed_forward(hidden);
    add(layer.forward, StepTerm::kProducts, dense);
    add(layer.backward, StepTerm::kProducts, 2.0 * dense);
    const Seconds activation =
        passes(framework_.feed_forward_passes, s_.group_tokens() * hidden * matrices_in() / d_.tp);
    add(layer.forward, StepTerm::kElementwise, activation);
    // Of the backward: the input gathered once more for the weight gradients.
    add(layer.forward, StepTerm::kTensorParallel, 2.0 * tensor_parallel());
    add(layer.backward, StepTerm::kTensorParallel, 3.0 * tensor_parallel());
    recompute(layer);
    return layer;
  }

  LayerTimes moe_layer() const {
    LayerTimes layer;
    attention_block(layer);
    const double hidden = static_cast<double>(n_.expert_hidden_dim) / d_.esp;
    const double choices = s_.rank_tokens() * n_.top_k * n_.capacity_factor;
    const double local_experts = std::max(1.0, static_cast<double>(n_.num_experts) / d_.ep);
    const double rows = std::max(1.0, choices * d_.esp * d_.ep / n_.num_experts);  // of one expert
    Seconds dense = product(rows, matrices_in() * hidden, model_dim_, local_experts) +
                    product(rows, model_dim_, hidden, local_experts);
    if (n_.shared_experts)
      dense += feed_forward(static_cast<double>(n_.shared_experts->count) *
                            static_cast<double>(n_.shared_experts->hidden_dim));
    add(layer.forward, StepTerm::kProducts, dense);
    add(layer.backward, StepTerm::kProducts, 2.0 * dense);
    const Seconds permute = passes(framework_.permute_passes, choices * model_dim_) + 3.0 * reference_.kernel_latency;
    add(layer.forward, StepTerm::kElementwise, permute);
    add(layer.backward, StepTerm::kElementwise, 2.0 * permute);
    expert_traffic(layer, choices);
    recompute(layer);
    return layer;
  }

  void expert_traffic(LayerTimes& layer, double choices) const {
    const double bytes = kActivationBytes * choices * model_dim_;
    const StridedGroup ep{d_.ep, s_.folded ? d_.esp : d_.tp * d_.cp};
    const Seconds exchange = 2.0 * all_to_all(bytes, ep);
    const Seconds shard = 2.0 * ring(bytes * d_.esp, {d_.esp, 1});
    constexpr double kBackward = 1.5;
    add(layer.forward, StepTerm::kTensorParallel, tensor_parallel());
    add(layer.backward, StepTerm::kTensorParallel, kBackward * tensor_parallel());
    add(layer.forward, StepTerm::kDispatch, exchange);
    add(layer.backward, StepTerm::kDispatch, kBackward * exchange);
    add(layer.forward, StepTerm::kExpertShard, shard);
    add(layer.backward, StepTerm::kExpertShard, kBackward * shard);
  }

  void recompute(LayerTimes& layer) const {
    if (s_.recompute == Recompute::kFull) add(layer.backward, StepTerm::kRecompute, sum(layer.forward));
    if (s_.recompute == Recompute::kSelective) add(layer.backward, StepTerm::kRecompute, core().first);
  }

  // ---- the stage and the step ----

  // One micro-batch on one stage: its share of the layers and of the head.
  Terms stage_terms() const {
    Terms terms{};
    const auto add_layers = [&](int count, const LayerTimes& layer) {
      const double here = static_cast<double>(count) * longest_stage(n_.layers, d_.pp) / n_.layers;
      add(terms, layer.forward, here);
      add(terms, layer.backward, here);
    };
    const auto num_dense = static_cast<int>(n_.dense.layers.size());
    if (num_dense > 0) add_layers(num_dense, dense_layer());
    if (num_moe_layers(n_) > 0) add_layers(num_moe_layers(n_), moe_layer());
    const double columns = static_cast<double>(n_.vocabulary) / d_.tp;
    const Seconds head = 3.0 * product(s_.group_tokens(), columns, model_dim_) +
                         passes(framework_.logit_passes, s_.group_tokens() * columns, kLogitBytes);
    add(terms, StepTerm::kHead, head / d_.pp);
    return terms;
  }

  void pipeline(Terms& terms, Seconds stage) const {
    if (d_.pp == 1) return;
    const Bytes activations(kActivationBytes * s_.rank_tokens() * model_dim_);
    const Seconds transfer = activations / reference_.inter.bandwidth + reference_.inter.latency;
    const double crossings = 2.0 * static_cast<double>(s_.num_micro_batches) * s_.virtual_stages;
    add(terms, StepTerm::kPipelineTransfer, crossings * transfer);
    add(terms, StepTerm::kBubble, (d_.pp - 1.0) / s_.virtual_stages * stage);
  }

  // Both collectives that a step owes to a rank's parameters.
  Seconds reduce_and_gather() const {
    const double efficiency = framework_.gradient_link_efficiency;
    const int expert_stride = s_.folded ? d_.ep * d_.esp : d_.ep * d_.tp;
    return ring(kGradientAndGatherBytes * held_.dense, {d_.dp * d_.cp, d_.tp}, efficiency) +
           ring(kGradientAndGatherBytes * held_.experts, {d_.edp, expert_stride}, efficiency);
  }

  void gradients(Terms& terms) const {
    const Seconds traffic = reduce_and_gather();
    if (s_.zero_stage < 3) return add(terms, StepTerm::kGradients, framework_.exposed_gradients * traffic);
    const double rounds = s_.keeps_gathered ? 1.0 : static_cast<double>(s_.num_micro_batches);
    const Seconds hidden = framework_.hidden_by_step * sum(terms);
    add(terms, StepTerm::kGradients, std::max(rounds * traffic - hidden, Seconds(0.0)));
  }

  void update(Terms& terms) const {
    const bool sharded = s_.zero_stage >= 1;
    const double parameters =
        held_.dense / (sharded ? d_.dp * d_.cp : 1) + held_.experts / (sharded ? std::max(d_.edp, 1) : 1);
    add(terms, StepTerm::kUpdate, Bytes(framework_.update_bytes * parameters) / memory_rate_);
  }

  const Network& n_;
  const TrainingSetup& s_;
  const ParallelDegrees& d_;
  const DeviceSpec& device_;
  const Reference& reference_;
  const FrameworkAssumptions& framework_;
  HeldParameters held_;
  int node_;
  double model_dim_;
  BytesPerSecond memory_rate_;
};

}  // namespace

const char* to_text(StepTerm term) {
  constexpr std::array<const char*, kNumStepTerms> kNames = {
      "products", "attention",    "elementwise",       "head",   "recompute", "tensor_parallel", "context_parallel",
      "dispatch", "expert_shard", "pipeline_transfer", "bubble", "gradients", "update",          "overhead"};
  return kNames[static_cast<std::size_t>(term)];
}

Seconds StepEstimate::total() const {
  return sum(terms);
}

StepTerm StepEstimate::largest_overhead() const {
  const auto* const first = terms.begin() + static_cast<int>(StepTerm::kElementwise);
  return static_cast<StepTerm>(std::max_element(first, terms.end()) - terms.begin());
}

StepEstimate estimate_step(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                           const FrameworkAssumptions& framework) {
  SEXTANT_CHECK(cluster.reference.has_value(), "cluster {} has no reference", cluster.name);
  return Estimator(network, setup, cluster, framework).run();
}

Flops model_flops_per_token(const Network& network, std::int64_t sequence) {
  const AttentionDims dims = attention_dims(network);
  const double square = 2.0 * static_cast<double>(sequence) * (dims.query + dims.value);
  const double weights =
      network.layers * static_cast<double>(attention_parameters(network)) +
      static_cast<double>(network.dense.layers.size()) * static_cast<double>(dense_layer_parameters(network)) +
      num_moe_layers(network) * (network.top_k * static_cast<double>(expert_parameters(network)) +
                                 static_cast<double>(shared_expert_parameters(network))) +
      static_cast<double>(network.vocabulary) * static_cast<double>(network.model_dim);
  constexpr double kPasses = 3.0;  // the backward counts as two forwards
  return Flops(kPasses * (2.0 * weights + network.layers * square));
}

}  // namespace sextant
