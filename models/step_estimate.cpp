#include "models/step_estimate.h"

#include <algorithm>
#include <array>
#include <optional>

#include "models/error.h"
#include "models/layer_times.h"

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;
constexpr double kGradientBytes = 4.0;
constexpr double kGatheredBytes = 2.0;  // of a parameter

// What one micro-batch costs on all stages together.
struct WholeNetwork {
  Seconds total;    // forward and backward, as the schedule overlaps them
  Seconds forward;  // alone, as the next two
  Seconds backward;
  Seconds weight_gradients;  // of the backward
};

class Estimator {
 public:
  Estimator(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
            const FrameworkAssumptions& framework, ChunkCosts costs)
      : n_(network),
        s_(setup),
        d_(setup.degrees),
        cluster_(cluster),
        reference_(cluster.reference.value()),
        framework_(framework),
        costs_(costs),
        copies_(stage_copies(setup)),
        held_(held_parameters(network, setup)),
        passes_{} {
    held_.dense *= copies_;
    held_.experts *= copies_;
  }

  StepEstimate run() {
    const std::vector<StageLoad> stages = stage_loads();
    for (const StageLoad& load : loads_by_recompute(stages)) add_whole(load);
    const StageLoad slowest = *std::ranges::max_element(stages, {}, [this](const auto& s) { return time_of(s); });
    const auto count = static_cast<double>(s_.num_micro_batches);
    StepEstimate estimate = finish(micro_batches(slowest, count), time_of(slowest));
    estimate.hidden = slowest.moe * count * passes(slowest.recompute).overlapped.moe.hidden;
    return estimate;
  }

  // As if every stage could be the mean of all.
  StepEstimate even() {
    const StageLoad all{.recompute = s_.recompute,
                        .dense = static_cast<int>(n_.dense.layers.size()),
                        .moe = num_moe_layers(n_),
                        .heads = 1};
    add_whole(all);
    return finish(micro_batches(all, static_cast<double>(s_.num_micro_batches) / d_.pp), whole_.total / d_.pp);
  }

 private:
  struct StageLoad {
    Recompute recompute = Recompute::kNone;
    int dense = 0;
    int moe = 0;
    int heads = 0;
  };
  struct Passes {
    LayerTimes alone;          // a forward or backward by itself
    LayerTimes overlapped;     // as the schedule runs them
    Seconds dense, moe, head;  // forward and backward of one of these, overlapped
  };

  const Passes& passes(Recompute recompute) {
    std::optional<Passes>& passes = passes_[static_cast<std::size_t>(recompute)];
    if (!passes) {
      TrainingSetup setup = s_;
      set_stage_recompute(setup, {recompute});
      const LayerTimes alone = layer_times(n_, setup, cluster_, framework_, costs_);
      const LayerTimes overlapped = as_scheduled(alone, s_, framework_);
      passes = {alone, overlapped, overlapped.dense.total(), overlapped.moe.total(), overlapped.head.total()};
    }
    return *passes;
  }

  void add_whole(const StageLoad& load) {
    const Passes& times = passes(load.recompute);
    add_whole(times.alone.dense, times.overlapped.dense, load.dense);
    add_whole(times.alone.moe, times.overlapped.moe, load.moe);
    add_whole(times.alone.head, times.overlapped.head, load.heads);
  }

  void add_whole(const PassTimes& alone, const PassTimes& overlapped, double count) {
    whole_.total += count * overlapped.total();
    whole_.forward += count * sum(alone.forward);
    whole_.backward += count * sum(alone.backward);
    whole_.weight_gradients += count * alone.weight_gradients;
  }

  Seconds time_of(const StageLoad& stage) {
    const Passes& times = passes(stage.recompute);
    return static_cast<double>(stage.dense) * times.dense + static_cast<double>(stage.moe) * times.moe +
           static_cast<double>(stage.heads) * times.head;
  }

  StepTerms micro_batches(const StageLoad& stage, double count) {
    const LayerTimes& times = passes(stage.recompute).overlapped;
    StepTerms terms{};
    for (const auto& [layer, layers] : {std::pair(&times.dense, stage.dense), std::pair(&times.moe, stage.moe),
                                        std::pair(&times.head, stage.heads)}) {
      add(terms, layer->forward, layers * count);
      add(terms, layer->backward, layers * count);
    }
    return terms;
  }

  std::vector<StageLoad> stage_loads() const {
    std::vector<StageLoad> loads;
    int begin = 0;
    const std::vector<int> stages = stage_layers(n_, s_);
    auto dense = n_.dense.layers.begin();
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const int end = begin + stages[i];
      const auto dense_end = std::lower_bound(dense, n_.dense.layers.end(), end);
      const auto num_dense = static_cast<int>(dense_end - dense);
      loads.push_back({.recompute = recompute_of(s_, static_cast<int>(i)),
                       .dense = num_dense,
                       .moe = stages[i] - num_dense,
                       .heads = i + 1 == stages.size() ? 1 : 0});
      dense = dense_end;
      begin = end;
    }
    return loads;
  }

  // What all stages of one recomputation hold, for each that occurs.
  static std::vector<StageLoad> loads_by_recompute(const std::vector<StageLoad>& stages) {
    std::vector<StageLoad> sums;
    for (const StageLoad& stage : stages) {
      auto sum = std::ranges::find(sums, stage.recompute, &StageLoad::recompute);
      if (sum == sums.end()) sum = sums.insert(sum, {.recompute = stage.recompute});
      sum->dense += stage.dense;
      sum->moe += stage.moe;
      sum->heads += stage.heads;
    }
    return sums;
  }

  StepEstimate finish(const StepTerms& micro_batches, Seconds slowest_stage) const {
    StepEstimate estimate{.terms = micro_batches};
    if (d_.pp > 1) {
      add(estimate.terms, StepTerm::kPipelineTransfer, transfers());
      add(estimate.terms, StepTerm::kBubble, bubble(slowest_stage));
    }
    gradients(estimate.terms);
    update(estimate.terms);
    add(estimate.terms, StepTerm::kOverhead, framework_.step_overhead);
    return estimate;
  }

  // DualPipe's run beside the computation of the other direction.
  Seconds transfers() const {
    if (s_.pipeline == PipelineSchedule::kDualPipe) return Seconds(0.0);
    const Bytes activations(kActivationBytes * s_.rank_tokens() * static_cast<double>(n_.model_dim));
    const Seconds transfer = activations / reference_.inter.bandwidth + reference_.inter.latency;
    return 2.0 * static_cast<double>(s_.num_micro_batches) * s_.virtual_stages * transfer;
  }

  // F, B, W: forward, backward and the weight gradients in it, mean over the stages; F&B both at once.
  Seconds bubble(Seconds slowest_stage) const {
    const double stages = d_.pp;
    switch (s_.pipeline) {
      case PipelineSchedule::k1F1B:
        return (whole_.total - slowest_stage) / s_.virtual_stages;
      case PipelineSchedule::kZeroBubble:
        return (stages - 1.0) / stages * (whole_.forward + whole_.backward - 2.0 * whole_.weight_gradients);
      case PipelineSchedule::kDualPipe:
        return (stages / 2.0 - 1.0) / stages * (whole_.total + whole_.backward - 3.0 * whole_.weight_gradients);
    }
    SEXTANT_CHECK(false, "pipeline {}", static_cast<int>(s_.pipeline));
  }

  // A collective of `bytes` a parameter over all that share the parameters of a rank.
  Seconds over_replicas(double bytes) const {
    const double efficiency = framework_.gradient_link_efficiency;
    const int expert_stride = s_.folded ? d_.ep * d_.esp : d_.ep * d_.tp;
    return ring_time(cluster_, Bytes(bytes * held_.dense), {d_.dp * d_.cp * copies_, d_.tp}, efficiency) +
           ring_time(cluster_, Bytes(bytes * held_.experts), {d_.edp * copies_, expert_stride}, efficiency);
  }

  void gradients(StepTerms& terms) const {
    const Seconds traffic = over_replicas(kGradientBytes + kGatheredBytes);
    const Seconds hidden = framework_.hidden_by_step * sum(terms);
    const auto rounds = static_cast<double>(s_.num_micro_batches);
    if (s_.zero_stage == 3) {
      add(terms, StepTerm::kGradients, std::max((s_.keeps_gathered ? 1.0 : rounds) * traffic - hidden, Seconds(0.0)));
      return;
    }
    add(terms, StepTerm::kGradients, framework_.exposed_gradients * traffic);
    if (s_.zero_stage < 2) return;
    // Sharded gradients are reduced for every micro-batch; the last reduction is in `traffic`.
    const Seconds earlier = (rounds - 1.0) * over_replicas(kGradientBytes);
    add(terms, StepTerm::kGradients, std::max(earlier - hidden, Seconds(0.0)));
  }

  void update(StepTerms& terms) const {
    const bool sharded = s_.zero_stage >= 1;
    const double parameters = held_.dense / (sharded ? d_.dp * d_.cp * copies_ : 1) +
                              held_.experts / (sharded ? std::max(d_.edp, 1) * copies_ : 1);
    const BytesPerSecond rate = cluster_.device.memory_bandwidth * reference_.memory_efficiency;
    add(terms, StepTerm::kUpdate, Bytes(framework_.update_bytes * parameters) / rate);
  }

  const Network& n_;
  const TrainingSetup& s_;
  const ParallelDegrees& d_;
  const Cluster& cluster_;
  const Reference& reference_;
  const FrameworkAssumptions& framework_;
  ChunkCosts costs_;
  int copies_;
  HeldParameters held_;
  std::array<std::optional<Passes>, kNumRecomputes> passes_;  // what the stages need of them
  WholeNetwork whole_;
};

}  // namespace

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
  return Estimator(network, setup, cluster, framework, ChunkCosts::kReal).run();
}

StepEstimate estimate_even_step(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                const FrameworkAssumptions& framework, ChunkCosts costs) {
  SEXTANT_CHECK(cluster.reference.has_value(), "cluster {} has no reference", cluster.name);
  return Estimator(network, setup, cluster, framework, costs).even();
}

StageWeights stage_weights(const TrainingSetup& setup) {
  const double pp = setup.degrees.pp;
  const auto micro_batches = static_cast<double>(setup.num_micro_batches);
  if (setup.degrees.pp == 1 || setup.pipeline == PipelineSchedule::kDualPipe) return {.slowest = micro_batches};
  if (setup.pipeline == PipelineSchedule::kZeroBubble) return {.slowest = micro_batches, .sum = (pp - 1.0) / pp};
  const double chunk = 1.0 / setup.virtual_stages;
  return {.slowest = micro_batches - chunk, .sum = chunk};
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
