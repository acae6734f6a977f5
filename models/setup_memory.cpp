#include "models/setup_memory.h"

#include <algorithm>
#include <numeric>

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;

enum Term {
  kParameters,
  kGradients,
  kOptimizer,
  kAttention,
  kFeedForward,
  kInputs,
  kRecomputed,
  kLogits,
  kDispatcher,
  kReserve,
  kFragmentation,
};
using MemoryTerms = std::array<double, 11>;
constexpr std::array<const char*, 11> kNames = {
    "parameters",   "gradients",        "optimizer state", "attention activations", "feed-forward activations",
    "layer inputs", "recomputed layer", "logits",          "dispatcher workspace",  "reserve",
    "fragmentation"};

// Tokens of what tensor parallelism copies instead of cutting.
double copied_tokens(const TrainingSetup& s) {
  return s.sequence_parallel ? s.rank_tokens() : s.group_tokens();
}

// Of one layer: the norm's output, queries, keys, values, what the core leaves, the output's input.
double attention_bytes(const Network& n, const TrainingSetup& s) {
  const int tp = s.degrees.tp;
  double row = 0.0;
  if (n.mla) {
    const MlaShape& mla = *n.mla;
    const double query = static_cast<double>(mla.qk_nope_head_dim + mla.qk_rope_head_dim);
    const double latents = static_cast<double>(mla.q_lora_rank.value_or(0) + mla.kv_lora_rank + mla.qk_rope_head_dim);
    row = n.heads * (2.0 * query + 2.0 * static_cast<double>(mla.v_head_dim)) / tp + 2.0 * latents;
  } else {
    row = static_cast<double>(n.head_dim) * (2.0 * n.heads + 2.0 * n.kv_heads) / tp;
  }
  return kActivationBytes * (s.group_tokens() * row + copied_tokens(s) * static_cast<double>(n.model_dim));
}

// Of one layer, where they reach memory: softmax, dropout and its mask.
double probability_bytes(const Network& n, const TrainingSetup& s) {
  if (s.fused_attention) return 0.0;
  constexpr double kProbabilityBytes = 5.0;
  return kProbabilityBytes * s.group_tokens() * static_cast<double>(s.sequence) * n.heads / s.degrees.tp;
}

// Hidden rows before and after the activation: three with a gate, two without.
double hidden_rows(const Network& n) {
  return n.expert_kind == ExpertKind::kSwiglu ? 3.0 : 2.0;
}

double hidden_bytes(const Network& n, const TrainingSetup& s, std::int64_t hidden_dim) {
  return kActivationBytes * s.group_tokens() * hidden_rows(n) * static_cast<double>(hidden_dim) / s.degrees.tp;
}

// Rows that reach the experts of the busiest rank.
double choices(const Network& n, const TrainingSetup& s) {
  return s.rank_tokens() * n.top_k * n.capacity_factor * busiest_rank(s);
}

// Of the experts of one layer: their hidden rows, the rows that arrive and those that leave; and shared experts.
double expert_bytes(const Network& n, const TrainingSetup& s) {
  const double row = hidden_rows(n) * static_cast<double>(n.expert_hidden_dim) +
                     (1.0 + s.degrees.esp) * static_cast<double>(n.model_dim);
  double bytes = kActivationBytes * choices(n, s) * row;
  if (n.shared_experts) bytes += hidden_bytes(n, s, n.shared_experts->count * n.shared_experts->hidden_dim);
  return bytes;
}

double norm_bytes(const Network& n, const TrainingSetup& s) {
  return kActivationBytes * copied_tokens(s) * static_cast<double>(n.model_dim);
}

double sum_of(const MemoryTerms& terms) {
  return std::accumulate(terms.begin(), terms.end(), 0.0);
}

// Two stages on one device, which computes one layer at a time again and exchanges the tokens of one.
MemoryTerms together(const MemoryTerms& a, const MemoryTerms& b) {
  MemoryTerms both{};
  for (std::size_t t = 0; t < both.size(); ++t) {
    both[t] = t == kRecomputed || t == kDispatcher ? std::max(a[t], b[t]) : a[t] + b[t];
  }
  return both;
}

}  // namespace

double micro_batches_in_flight(const TrainingSetup& setup, int stage) {
  const double pp = setup.degrees.pp;
  double stages = pp - stage;
  if (setup.virtual_stages > 1) stages = pp + (pp - 1.0 - 2.0 * stage) / setup.virtual_stages;
  if (setup.pipeline == PipelineSchedule::kZeroBubble) stages = pp;
  if (setup.pipeline == PipelineSchedule::kDualPipe) stages = (pp + 1.0) / 2.0;
  return std::min(stages, static_cast<double>(setup.num_micro_batches) / stage_copies(setup));
}

StageMemory::StageMemory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions)
    : n_(network), s_(setup), assumptions_(assumptions) {
  const ParallelDegrees& d = s_.degrees;
  const double attention = static_cast<double>(attention_parameters(n_));
  const double norms = 2.0 * norm_bytes(n_, s_);
  dense_ = {.parameters = (attention + static_cast<double>(dense_layer_parameters(n_))) / d.tp,
            .attention = attention_bytes(n_, s_),
            .feed_forward = norms + hidden_bytes(n_, s_, n_.dense.hidden_dim)};
  moe_ = {.parameters = (attention + static_cast<double>(shared_expert_parameters(n_))) / d.tp,
          .attention = dense_.attention,
          .feed_forward = norms + expert_bytes(n_, s_)};
  if (n_.num_experts > 0) {
    moe_.experts = static_cast<double>(expert_parameters(n_)) * n_.num_experts / d.ep / d.esp;
  }
  probabilities_ = probability_bytes(n_, s_);
  layer_input_ = norm_bytes(n_, s_);
  table_ = static_cast<double>(n_.vocabulary) * static_cast<double>(n_.model_dim) / d.tp;
  logits_ = assumptions_.logit_bytes * s_.group_tokens() * static_cast<double>(n_.vocabulary) / d.tp;
  dense_before_.push_back(0);
  for (int l = 0; l < n_.layers; ++l) dense_before_.push_back(dense_before_.back() + (is_dense_layer(n_, l) ? 1 : 0));
}

// Tokens on their way: sent and received, both directions of one layer, gathered over esp.
double StageMemory::dispatcher_bytes() const {
  return 2.0 * kActivationBytes * choices(n_, s_) * static_cast<double>(n_.model_dim) * (1.0 + s_.degrees.esp);
}

StageMemory::Terms StageMemory::terms(const StageLayers& layers, Recompute recompute) const {
  const ParallelDegrees& d = s_.degrees;
  const int num_dense =
      dense_before_[static_cast<std::size_t>(layers.end)] - dense_before_[static_cast<std::size_t>(layers.begin)];
  const int num_moe = layers.end - layers.begin - num_dense;
  const bool is_last = layers.stage == d.pp - 1;
  const int tables = (layers.stage == 0 ? 1 : 0) + (is_last && (d.pp > 1 || !n_.tied_embeddings) ? 1 : 0);
  const double dense = num_dense * dense_.parameters + num_moe * moe_.parameters + tables * table_;
  const double experts = num_moe * moe_.experts;
  const int copies = stage_copies(s_);
  const auto held = [&](double bytes, int from_stage) {
    const bool sharded = s_.zero_stage >= from_stage;
    return bytes *
           (dense / (sharded ? d.dp * d.cp * copies : 1) + experts / (sharded ? std::max(d.edp, 1) * copies : 1));
  };
  Terms terms{};
  terms[kParameters] = held(assumptions_.parameter_bytes, 3);
  terms[kGradients] = held(assumptions_.gradient_bytes, 2);
  terms[kOptimizer] = held(assumptions_.optimizer_bytes, 1);
  const double in_flight = micro_batches_in_flight(s_, layers.stage);
  terms[kInputs] = in_flight * (num_dense + num_moe) * layer_input_;
  if (recompute == Recompute::kFull) {
    const double dense_layer = num_dense > 0 ? dense_.attention + dense_.feed_forward : 0.0;
    const double moe_layer = num_moe > 0 ? moe_.attention + moe_.feed_forward : 0.0;
    terms[kRecomputed] = std::max(dense_layer, moe_layer);
  } else {
    const double attention = dense_.attention + (recompute == Recompute::kNone ? probabilities_ : 0.0);
    terms[kAttention] = in_flight * (num_dense + num_moe) * attention;
    terms[kFeedForward] = in_flight * (num_dense * dense_.feed_forward + num_moe * moe_.feed_forward);
  }
  if (is_last) terms[kLogits] = logits_;
  if (num_moe > 0) terms[kDispatcher] = dispatcher_bytes();
  return terms;
}

StageMemory::Terms StageMemory::finished(Terms terms) const {
  terms[kReserve] = assumptions_.reserve.value();
  terms[kFragmentation] = assumptions_.fragmentation * sum_of(terms);
  return terms;
}

Bytes StageMemory::total(const StageLayers& layers, Recompute recompute) const {
  return Bytes(sum_of(finished(terms(layers, recompute))));
}

StageMemory::Terms StageMemory::largest_terms(const std::vector<int>& stages, const RecomputeOf& recompute) const {
  const std::size_t copies = static_cast<std::size_t>(stage_copies(s_));
  std::vector<Terms> of_stages;
  int begin = 0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const int stage = static_cast<int>(i);
    of_stages.push_back(terms({.stage = stage, .begin = begin, .end = begin + stages[i]}, recompute(stage)));
    begin += stages[i];
  }
  Terms largest{};
  for (std::size_t i = 0; i < stages.size() / copies; ++i) {
    const Terms device =
        finished(copies == 1 ? of_stages[i] : together(of_stages[i], of_stages[stages.size() - 1 - i]));
    if (sum_of(device) > sum_of(largest)) largest = device;
  }
  return largest;
}

Bytes StageMemory::largest_total(const std::vector<int>& stages) const {
  return Bytes(sum_of(largest_terms(stages, [this](int stage) { return recompute_of(s_, stage); })));
}

Bytes StageMemory::largest_total(const std::vector<int>& stages, Recompute recompute) const {
  return Bytes(sum_of(largest_terms(stages, [recompute](int) { return recompute; })));
}

MemoryBreakdown StageMemory::largest(const std::vector<int>& stages) const {
  const Terms largest = largest_terms(stages, [this](int stage) { return recompute_of(s_, stage); });
  MemoryBreakdown memory;
  for (std::size_t t = 0; t < kNumTerms; ++t) memory.terms.push_back({kNames[t], Bytes(largest[t])});
  return memory;
}

MemoryBreakdown setup_memory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions) {
  return StageMemory(network, setup, assumptions).largest(stage_layers(network, setup));
}

}  // namespace sextant
