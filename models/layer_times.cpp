#include "models/layer_times.h"

#include <algorithm>
#include <utility>

#include "models/chunk_pipeline.h"
#include "models/dispatch_traffic.h"

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;
constexpr double kLogitBytes = 4.0;
constexpr double kRecomputedKernels = 4.0 / 3.0;  // a third of a layer's kernels are its forward's
constexpr double kBackwardTraffic = 1.5;          // of the experts, in that of the forward
constexpr double kBackwardCore = 2.5;  // products of the core's backward, in forwards: fused kernels recompute

void wait_for_host(PassTimes& layer) {
  constexpr auto kHost = static_cast<std::size_t>(StepTerm::kHost);
  layer.forward[kHost] = layer.backward[kHost] = Seconds(0.0);
  const Seconds waiting = std::max(layer.host - layer.total(), Seconds(0.0));
  layer.forward[kHost] = waiting / 3.0;
  layer.backward[kHost] = waiting * (2.0 / 3.0);
}

int ranks_inside(const Cluster& cluster, const StridedGroup& group) {
  return std::clamp(cluster.topology.devices_per_node / std::max(group.stride, 1), 1, group.size);
}

class LayerEstimator {
 public:
  LayerEstimator(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                 const FrameworkAssumptions& framework, ChunkCosts costs)
      : n_(network),
        s_(setup),
        d_(setup.degrees),
        cluster_(cluster),
        device_(cluster.device),
        reference_(cluster.reference.value()),
        framework_(framework),
        chunk_costs_(costs) {
    model_dim_ = static_cast<double>(n_.model_dim);
    memory_rate_ = device_.memory_bandwidth * reference_.memory_efficiency;
  }

  LayerTimes run() const {
    LayerTimes times;
    if (!n_.dense.layers.empty()) times.dense = dense_layer();
    if (num_moe_layers(n_) > 0) times.moe = moe_layer();
    times.head = head();
    return times;
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

  Seconds ring(double bytes, const StridedGroup& group) const { return ring_time(cluster_, Bytes(bytes), group); }

  // `buffer` is what one rank holds before.
  Seconds all_to_all(Bytes buffer, const StridedGroup& group) const {
    if (group.size == 1) return Seconds(0.0);
    const int inside = ranks_inside(cluster_, group);
    const DispatchTraffic traffic = dispatch_traffic(
        s_.dispatch, buffer,
        {.ranks = group.size, .ranks_of_node = inside, .copies = n_.top_k, .expert_groups = n_.expert_groups});
    const Seconds near = traffic.intra / (reference_.intra.bandwidth * framework_.all_to_all_efficiency_intra);
    const Seconds far = traffic.inter / (reference_.inter.bandwidth * framework_.all_to_all_efficiency_inter);
    const bool hidden = s_.dispatch == Dispatch::kDeduplicated && s_.overlap == Overlap::kNone && !pairs_passes(s_);
    const double exposed = hidden ? framework_.exposed_dispatch : 1.0;
    if (inside == group.size) return exposed * (near + reference_.intra.latency);
    const Seconds starts = framework_.message_latency * ((traffic.messages - 1) / framework_.messages_at_once);
    const Seconds latency = reference_.inter.latency + starts;
    if (!traffic.one_tier_after_the_other) return exposed * (std::max(near, far) + latency);
    const double hops = s_.dispatch == Dispatch::kHierarchical1D ? 2.0 : 1.0;
    return exposed * (near + hops * reference_.intra.latency + far + latency);
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

  // Forward, then the gradients of both factors.
  static void add_products(PassTimes& layer, Seconds forward) {
    add(layer.forward, StepTerm::kProducts, forward);
    add(layer.backward, StepTerm::kProducts, 2.0 * forward);
    layer.weight_gradients += forward;
  }

  // Products in tp pieces, each beside the transfer of the next piece: one piece stays exposed, and what takes longer
  // than the products.
  void overlap_tensor_parallel(PassTimes& layer) const {
    for (StepTerms* terms : {&layer.forward, &layer.backward}) {
      Seconds& traffic = (*terms)[static_cast<std::size_t>(StepTerm::kTensorParallel)];
      const Seconds products = (*terms)[static_cast<std::size_t>(StepTerm::kProducts)];
      traffic = std::max(traffic / d_.tp, traffic - products);
    }
  }

  // Collectives of the backward, in those of the forward: inputs that were kept cut along the sequence are gathered
  // once more for the weight gradients (Korthikanti et al., 2022, section 4.2).
  double backward_gathers() const { return s_.sequence_parallel ? 1.5 : 1.0; }

  void attention_block(PassTimes& layer) const {
    const auto [core_forward, core_backward] = core();
    const Seconds dense = projections();
    add_products(layer, dense);
    add(layer.forward, StepTerm::kAttention, core_forward);
    add(layer.backward, StepTerm::kAttention, core_backward);
    const double kv = 2.0 * static_cast<double>(n_.kv_heads) * static_cast<double>(n_.head_dim) / d_.tp;
    const Seconds passed_on = ring(kActivationBytes * s_.group_tokens() * d_.cp * kv, {d_.cp, d_.tp});
    add(layer.forward, StepTerm::kContextParallel, std::max(passed_on - core_forward, Seconds(0.0)));
    add(layer.backward, StepTerm::kContextParallel, std::max(2.0 * passed_on - core_backward, Seconds(0.0)));
    add(layer.forward, StepTerm::kElementwise, elementwise());
    add(layer.backward, StepTerm::kElementwise, 2.0 * elementwise());
  }

  PassTimes dense_layer() const {
    PassTimes layer;
    attention_block(layer);
    const double hidden = static_cast<double>(n_.dense.hidden_dim);
    const Seconds dense = feed_forward(hidden);
    add_products(layer, dense);
    const Seconds activation =
        passes(framework_.feed_forward_passes, s_.group_tokens() * hidden * matrices_in() / d_.tp);
    add(layer.forward, StepTerm::kElementwise, activation);
    add(layer.forward, StepTerm::kTensorParallel, 2.0 * tensor_parallel());
    add(layer.backward, StepTerm::kTensorParallel, 2.0 * backward_gathers() * tensor_parallel());
    if (s_.overlaps_tensor_parallel) overlap_tensor_parallel(layer);
    recompute(layer);
    return layer;
  }

  PassTimes moe_layer() const {
    PassTimes layer;
    attention_block(layer);
    const Seconds permute = passes(framework_.permute_passes, choices() * model_dim_) + 3.0 * reference_.kernel_latency;
    add(layer.forward, StepTerm::kElementwise, permute);
    add(layer.backward, StepTerm::kElementwise, 2.0 * permute);
    add(layer.forward, StepTerm::kTensorParallel, tensor_parallel());
    add(layer.backward, StepTerm::kTensorParallel, backward_gathers() * tensor_parallel());
    if (s_.overlap == Overlap::kChunks) {
      chunked_experts(layer);
    } else {
      add_products(layer, routed_experts(1.0) + shared_experts());
      expert_traffic(layer);
    }
    recompute(layer);
    layer.host = host_time();
    wait_for_host(layer);
    return layer;
  }

  // Rows of the busiest rank.
  double choices() const { return s_.rank_tokens() * n_.top_k * n_.capacity_factor * busiest_rank(s_); }

  // One of `chunks` parts of the tokens, forward, as the next two.
  Seconds routed_experts(double chunks) const {
    const double hidden = static_cast<double>(n_.expert_hidden_dim) / d_.esp;
    const double local_experts = std::max(1.0, static_cast<double>(n_.num_experts) / d_.ep);
    const double rows = std::max(1.0, choices() * d_.esp * d_.ep / n_.num_experts / chunks);  // of one expert
    return product(rows, matrices_in() * hidden, model_dim_, local_experts) +
           product(rows, model_dim_, hidden, local_experts);
  }

  Seconds exchange(double chunks) const {
    return all_to_all(Bytes(kActivationBytes * choices() * model_dim_ / chunks), expert_group());
  }

  Seconds shard(double chunks) const {
    return ring(kActivationBytes * choices() * model_dim_ * d_.esp / chunks, {d_.esp, 1});
  }

  Seconds shared_experts() const {
    if (!n_.shared_experts) return Seconds(0.0);
    return feed_forward(static_cast<double>(n_.shared_experts->count) *
                        static_cast<double>(n_.shared_experts->hidden_dim));
  }

  StridedGroup expert_group() const { return {d_.ep, s_.folded ? d_.esp : d_.tp * d_.cp}; }

  void expert_traffic(PassTimes& layer) const {
    const Seconds dispatch = 2.0 * exchange(1.0), shards = 2.0 * shard(1.0);
    add(layer.forward, StepTerm::kDispatch, dispatch);
    add(layer.backward, StepTerm::kDispatch, kBackwardTraffic * dispatch);
    add(layer.forward, StepTerm::kExpertShard, shards);
    add(layer.backward, StepTerm::kExpertShard, kBackwardTraffic * shards);
  }

  // ---- chunks ----

  BlockQueues block_queues() const {
    const bool is_between_nodes = ranks_inside(cluster_, expert_group()) == 1;
    const bool is_inside = ranks_inside(cluster_, {d_.esp, 1}) == d_.esp;
    return is_between_nodes && is_inside ? BlockQueues::kThree : BlockQueues::kOneLink;
  }

  // The MoE block of a pass that takes `work` forwards of computation.
  struct ChunkedPass {
    int degree;
    double work;
    double traffic;
  };

  // Adds the block to `terms`; returns what of its communication is hidden.
  Seconds add_block(StepTerms& terms, const ChunkedPass& pass) const {
    const double r = chunk_costs_ == ChunkCosts::kLeast ? 1.0 : pass.degree;
    const Seconds gather = pass.traffic * shard(r);
    const ChunkTimes chunk{.all_to_all = pass.traffic * exchange(r),
                           .gather = gather,
                           .expert = pass.work * routed_experts(r),
                           .scatter = gather};
    const Seconds independent = pass.work * shared_experts();
    const Seconds computation = r * chunk.expert + independent;
    const Seconds dispatch = 2.0 * r * chunk.all_to_all, shards = 2.0 * r * gather;
    const Seconds traffic = dispatch + shards;
    const Seconds exposed = std::max(block_time(chunk, pass, independent) - computation, Seconds(0.0));
    add(terms, StepTerm::kProducts, computation);
    if (traffic == Seconds(0.0)) return Seconds(0.0);
    const double hidden = std::max(1.0 - exposed / traffic, 0.0);
    const double left = 1.0 - hidden + hidden * framework_.dispatch_multiprocessors;
    add(terms, StepTerm::kDispatch, left * dispatch);
    add(terms, StepTerm::kExpertShard, left * shards);
    return (1.0 - left) * traffic;
  }

  Seconds block_time(const ChunkTimes& chunk, const ChunkedPass& pass, Seconds independent) const {
    const BlockQueues queues = block_queues();
    if (chunk_costs_ == ChunkCosts::kReal) return time_beside(chunk, pass.degree, independent, queues);
    const Seconds dispatch = 2.0 * chunk.all_to_all, shards = chunk.gather + chunk.scatter;
    const Seconds links = queues == BlockQueues::kThree ? std::max(dispatch, shards) : dispatch + shards;
    return std::max(chunk.expert + independent, links);
  }

  void chunked_experts(PassTimes& layer) const {
    const ChunkedPass forward{.degree = s_.forward_degree, .work = 1.0, .traffic = 1.0};
    const ChunkedPass backward{.degree = s_.backward_degree, .work = 2.0, .traffic = kBackwardTraffic};
    const double forwards = s_.recompute == Recompute::kFull ? 2.0 : 1.0;
    layer.hidden = forwards * add_block(layer.forward, forward) + add_block(layer.backward, backward);
    const double r = chunk_costs_ == ChunkCosts::kLeast ? 1.0 : s_.backward_degree;
    layer.weight_gradients += r * routed_experts(r) + shared_experts();
  }

  // A chunk more in one of the passes starts half of both passes' kernels.
  Seconds host_time() const {
    const double again = s_.recompute == Recompute::kFull ? kRecomputedKernels : 1.0;
    const bool has_more = s_.overlap == Overlap::kChunks && chunk_costs_ == ChunkCosts::kReal;
    const double more = has_more ? (s_.forward_degree - 1.0 + s_.backward_degree - 1.0) / 2.0 : 0.0;
    return again * (1.0 + framework_.chunk_kernels * more) * framework_.host_time_of_moe_layer;
  }

  void recompute(PassTimes& layer) const {
    if (s_.recompute == Recompute::kFull) add(layer.backward, StepTerm::kRecompute, sum(layer.forward));
    if (s_.recompute == Recompute::kSelective) add(layer.backward, StepTerm::kRecompute, core().first);
  }

  PassTimes head() const {
    PassTimes head;
    const double columns = static_cast<double>(n_.vocabulary) / d_.tp;
    const Seconds logits = product(s_.group_tokens(), columns, model_dim_);
    add(head.forward, StepTerm::kHead,
        logits + passes(framework_.logit_passes, s_.group_tokens() * columns, kLogitBytes));
    add(head.backward, StepTerm::kHead, 2.0 * logits);
    head.weight_gradients = logits;
    return head;
  }

  const Network& n_;
  const TrainingSetup& s_;
  const ParallelDegrees& d_;
  const Cluster& cluster_;
  const DeviceSpec& device_;
  const Reference& reference_;
  const FrameworkAssumptions& framework_;
  ChunkCosts chunk_costs_;
  double model_dim_;
  BytesPerSecond memory_rate_;
};

// The share of a layer's dispatch that computation cannot hide.
double left_of_dispatch(const PassTimes& layer, double multiprocessors) {
  const auto dispatch = static_cast<std::size_t>(StepTerm::kDispatch);
  const Seconds traffic = layer.forward[dispatch] + layer.backward[dispatch];
  if (traffic <= Seconds(0.0)) return 1.0;
  const auto host = static_cast<std::size_t>(StepTerm::kHost);
  const Seconds computation = layer.total() - traffic - layer.forward[host] - layer.backward[host];
  return std::max(multiprocessors, (traffic - computation) / traffic);
}

}  // namespace

AttentionDims attention_dims(const Network& n) {
  if (n.mla) {
    const double heads = n.heads;
    return {.query = heads * static_cast<double>(n.mla->qk_nope_head_dim + n.mla->qk_rope_head_dim),
            .value = heads * static_cast<double>(n.mla->v_head_dim)};
  }
  const double dim = static_cast<double>(n.heads) * static_cast<double>(n.head_dim);
  return {.query = dim, .value = dim};
}

Seconds ring_time(const Cluster& cluster, Bytes gathered, const StridedGroup& group, double inter_efficiency) {
  if (group.size == 1) return Seconds(0.0);
  const Reference& reference = cluster.reference.value();
  const int inside = ranks_inside(cluster, group);
  const Bytes moved = gathered * ((group.size - 1.0) / group.size);
  if (inside == group.size) return moved / reference.intra.bandwidth + reference.intra.latency;
  const BytesPerSecond ports = reference.inter.bandwidth * (inter_efficiency * inside);
  return moved / std::min(reference.intra.bandwidth, ports) + reference.inter.latency;
}

LayerTimes layer_times(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                       const FrameworkAssumptions& framework, ChunkCosts costs) {
  return LayerEstimator(network, setup, cluster, framework, costs).run();
}

LayerTimes beside_other_direction(LayerTimes times, const FrameworkAssumptions& framework) {
  for (PassTimes* layer : {&times.dense, &times.moe}) {
    const double left = left_of_dispatch(*layer, framework.dispatch_multiprocessors);
    for (StepTerms* terms : {&layer->forward, &layer->backward}) {
      Seconds& dispatch = (*terms)[static_cast<std::size_t>(StepTerm::kDispatch)];
      layer->hidden += (1.0 - left) * dispatch;
      dispatch *= left;
    }
    wait_for_host(*layer);
  }
  return times;
}

LayerTimes as_scheduled(const LayerTimes& times, const TrainingSetup& setup, const FrameworkAssumptions& framework) {
  if (!pairs_passes(setup)) return times;
  LayerTimes mean = beside_other_direction(times, framework);
  const double alone = unpaired_share(setup);
  for (const auto& [layer, unpaired] : {std::pair(&mean.dense, &times.dense), std::pair(&mean.moe, &times.moe)}) {
    for (const auto pass : {&PassTimes::forward, &PassTimes::backward}) {
      StepTerms terms{};
      add(terms, layer->*pass, 1.0 - alone);
      add(terms, unpaired->*pass, alone);
      layer->*pass = terms;
    }
    layer->hidden = (1.0 - alone) * layer->hidden + alone * unpaired->hidden;
  }
  return mean;
}

}  // namespace sextant
