#include "models/setup_memory.h"

#include <algorithm>
#include <numeric>

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;  // and of what ZeRO gathers

enum Term {
  kParameters,
  kGradients,
  kOptimizer,
  kAttention,
  kFeedForward,
  kInputs,
  kRecomputed,
  kLogits,
  kOutputGradient,
  kDispatcher,
  kPlaceholders,
  kWhole,
  kReserve,
  kFragmentation,
};
using MemoryTerms = std::array<double, 14>;
constexpr std::array<const char*, 14> kNames = {"parameters",
                                                "gradients",
                                                "optimizer state",
                                                "attention activations",
                                                "feed-forward activations",
                                                "layer inputs",
                                                "recomputed layer",
                                                "logits",
                                                "output matrix's gradient",
                                                "dispatcher workspace",
                                                "gradient placeholders",
                                                "whole layers of ZeRO",
                                                "reserve",
                                                "fragmentation"};

// What a product keeps of its input for the gradient of its matrix (Transformer Engine keeps 8-bit products' in 8
// bits).
double input_bytes(const TrainingSetup& s) {
  return s.precision == Precision::kFp8 ? 1.0 : kActivationBytes;
}

// Tokens of what tensor parallelism copies instead of cutting.
double copied_tokens(const TrainingSetup& s) {
  return s.sequence_parallel ? s.rank_tokens() : s.group_tokens();
}

// Elements of a token that the output projection reads: the core keeps them in 16 bits for its own gradient.
double output_input_row(const Network& n) {
  return static_cast<double>(n.heads) * static_cast<double>(n.mla ? n.mla->v_head_dim : n.head_dim);
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
  double bytes =
      kActivationBytes * s.group_tokens() * row + input_bytes(s) * copied_tokens(s) * static_cast<double>(n.model_dim);
  if (s.precision == Precision::kFp8) bytes += input_bytes(s) * s.group_tokens() * output_input_row(n) / tp;
  return bytes;
}

// Of one layer, where they reach memory: softmax, dropout and its mask.
double probability_bytes(const Network& n, const TrainingSetup& s) {
  if (s.fused_attention) return 0.0;
  constexpr double kProbabilityBytes = 5.0;
  return kProbabilityBytes * s.group_tokens() * static_cast<double>(s.sequence) * n.heads / s.degrees.tp;
}

// Hidden rows before and after the activation: three with a gate, two without; those after it are a product's input.
double hidden_row_bytes(const Network& n, const TrainingSetup& s) {
  return kActivationBytes * (n.expert_kind == ExpertKind::kSwiglu ? 2.0 : 1.0) + input_bytes(s);
}

double hidden_bytes(const Network& n, const TrainingSetup& s, std::int64_t hidden_dim) {
  return hidden_row_bytes(n, s) * s.group_tokens() * static_cast<double>(hidden_dim) / s.degrees.tp;
}

// Rows that reach the experts of the busiest rank.
double choices(const Network& n, const TrainingSetup& s) {
  return s.rank_tokens() * n.top_k * n.capacity_factor * busiest_rank(s);
}

// Of the experts of one layer: their hidden rows and the rows that arrive; and shared experts. Those that leave are not
// kept: the weights of the choices are applied to the hidden rows (Megatron-Core since 0.12).
double expert_bytes(const Network& n, const TrainingSetup& s) {
  const double row = hidden_row_bytes(n, s) * static_cast<double>(n.expert_hidden_dim) +
                     input_bytes(s) * s.degrees.esp * static_cast<double>(n.model_dim);
  double bytes = choices(n, s) * row;
  if (n.shared_experts) bytes += hidden_bytes(n, s, n.shared_experts->count * n.shared_experts->hidden_dim);
  return bytes;
}

double norm_bytes(const Network& n, const TrainingSetup& s) {
  return kActivationBytes * copied_tokens(s) * static_cast<double>(n.model_dim);
}

double sum_of(const MemoryTerms& terms) {
  return std::accumulate(terms.begin(), terms.end(), 0.0);
}

// A device works on the head or on a layer: only the larger of what each needs while it is at work counts.
void keep_larger_moment(MemoryTerms& terms) {
  const bool is_head = terms[kLogits] + terms[kOutputGradient] >= terms[kRecomputed] + terms[kDispatcher];
  for (const Term term : is_head ? std::array{kRecomputed, kDispatcher} : std::array{kLogits, kOutputGradient}) {
    terms[term] = 0.0;
  }
}

// Two stages on one device, which computes one layer at a time again and exchanges the tokens of one.
MemoryTerms together(const MemoryTerms& a, const MemoryTerms& b) {
  MemoryTerms both{};
  for (std::size_t t = 0; t < both.size(); ++t) {
    const bool is_one_layer = t == kRecomputed || t == kDispatcher || t == kPlaceholders || t == kWhole;
    both[t] = is_one_layer ? std::max(a[t], b[t]) : a[t] + b[t];
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
  const double norm = norm_bytes(n_, s_);
  const double norms = norm + norm * input_bytes(s_) / kActivationBytes;
  const double dense_matrices = static_cast<double>(dense_layer_parameters(n_)) / d.tp;
  const double shared_matrices = static_cast<double>(shared_expert_parameters(n_)) / d.tp;
  dense_ = {.parameters = attention / d.tp + dense_matrices,
            .feed_forwards = dense_matrices,
            .attention = attention_bytes(n_, s_),
            .feed_forward = norms + hidden_bytes(n_, s_, n_.dense.hidden_dim)};
  moe_ = {.parameters = attention / d.tp + shared_matrices,
          .feed_forwards = shared_matrices,
          .attention = dense_.attention,
          .feed_forward = norms + expert_bytes(n_, s_)};
  if (n_.num_experts > 0) {
    const double expert = static_cast<double>(expert_parameters(n_)) / d.esp;
    moe_.experts = expert * n_.num_experts / d.ep;
    moe_.feed_forwards += expert;
  }
  probabilities_ = probability_bytes(n_, s_);
  layer_input_ = norm_bytes(n_, s_);
  table_ = static_cast<double>(n_.vocabulary) * static_cast<double>(n_.model_dim) / d.tp;
  logits_ = assumptions_.logit_bytes * s_.group_tokens() * static_cast<double>(n_.vocabulary) / d.tp;
  dense_before_.assign(static_cast<std::size_t>(n_.layers) + 1, 0);
  for (const int layer : n_.dense.layers) dense_before_.at(static_cast<std::size_t>(layer) + 1) = 1;
  std::partial_sum(dense_before_.begin(), dense_before_.end(), dense_before_.begin());
}

// Tokens on their way: sent and received, both directions of one layer, gathered over esp.
double StageMemory::dispatcher_bytes() const {
  return 2.0 * kActivationBytes * choices(n_, s_) * static_cast<double>(n_.model_dim) * (1.0 + s_.degrees.esp);
}

// One of each shape: those of attention are the same in all layers.
double StageMemory::placeholder_elements(bool has_dense, bool has_moe) const {
  return static_cast<double>(attention_parameters(n_)) / s_.degrees.tp + (has_dense ? dense_.feed_forwards : 0.0) +
         (has_moe ? moe_.feed_forwards : 0.0);
}

// Sharded, but whole while at work; `parameters` are the elements of the stage, which may stay gathered.
double StageMemory::whole_bytes(bool has_dense, bool has_moe, double parameters) const {
  const double dense = has_dense ? dense_.parameters + dense_.experts : 0.0;
  const double layer = std::max(dense, has_moe ? moe_.parameters + moe_.experts : 0.0);
  const double at_work = std::min(2.0 * layer, assumptions_.whole_parameters);
  double elements = 0.0;
  if (s_.zero_stage >= 2) elements += at_work / 2.0;
  if (s_.zero_stage >= 3) elements += s_.keeps_gathered ? parameters : at_work;
  return kActivationBytes * elements;
}

StageKinds StageMemory::kinds(const StageLayers& layers) const {
  const int dense =
      dense_before_[static_cast<std::size_t>(layers.end)] - dense_before_[static_cast<std::size_t>(layers.begin)];
  return {.stage = layers.stage, .dense = dense, .moe = layers.end - layers.begin - dense};
}

// What every layer and table adds to.
StageMemory::Terms StageMemory::sums(const Contents& of, Recompute recompute) const {
  const ParallelDegrees& d = s_.degrees;
  const double dense = of.dense * dense_.parameters + of.moe * moe_.parameters + of.tables * table_;
  const double experts = of.moe * moe_.experts;
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
  add_activations(terms, {.dense = of.in_flight * of.dense, .moe = of.in_flight * of.moe}, recompute);
  return terms;
}

void StageMemory::add_activations(Terms& terms, const KeptLayers& kept, Recompute recompute) const {
  terms[kInputs] += (kept.dense + kept.moe) * layer_input_;
  if (recompute == Recompute::kFull) return;
  terms[kAttention] +=
      (kept.dense + kept.moe) * (dense_.attention + (recompute == Recompute::kNone ? probabilities_ : 0.0));
  terms[kFeedForward] += kept.dense * dense_.feed_forward + kept.moe * moe_.feed_forward;
}

// What a stage needs once where it has layers of a kind.
void StageMemory::add_one_layer(Terms& terms, const Contents& of, Recompute recompute) const {
  const bool has_dense = of.dense > 0.0, has_moe = of.moe > 0.0;
  // Of a pair of passes the forward may be a layer ahead of the backward.
  if (s_.overlap == Overlap::kMicroBatches && s_.pipeline != PipelineSchedule::kDualPipe) {
    add_activations(terms, {.dense = has_moe ? 0.0 : 1.0, .moe = has_moe ? 1.0 : 0.0}, recompute);
  }
  if (recompute == Recompute::kFull) {
    const double dense_layer = has_dense ? dense_.attention + dense_.feed_forward : 0.0;
    const double moe_layer = has_moe ? moe_.attention + moe_.feed_forward : 0.0;
    terms[kRecomputed] = std::max(dense_layer, moe_layer);
  }
  if (has_moe) terms[kDispatcher] = dispatcher_bytes();
  if (s_.zero_stage < 2)
    terms[kPlaceholders] = assumptions_.placeholder_bytes * placeholder_elements(has_dense, has_moe);
  const double parameters = of.dense * dense_.parameters + of.moe * (moe_.parameters + moe_.experts);
  terms[kWhole] = whole_bytes(has_dense, has_moe, parameters + of.tables * table_);
}

StageMemory::Terms StageMemory::terms(const StageKinds& kinds, Recompute recompute, double in_flight) const {
  const bool is_last = kinds.stage == s_.degrees.pp - 1;
  const int tables = (kinds.stage == 0 ? 1 : 0) + (is_last && (s_.degrees.pp > 1 || !n_.tied_embeddings) ? 1 : 0);
  const Contents of{.dense = static_cast<double>(kinds.dense),
                    .moe = static_cast<double>(kinds.moe),
                    .tables = static_cast<double>(tables),
                    .in_flight = in_flight};
  Terms terms = sums(of, recompute);
  add_one_layer(terms, of, recompute);
  if (is_last) {
    terms[kLogits] = logits_;
    terms[kOutputGradient] = assumptions_.placeholder_bytes * table_;
  }
  if (!pairs_passes(s_)) keep_larger_moment(terms);
  return terms;
}

Bytes StageMemory::largest_at_least(Recompute recompute) const {
  const double stages = s_.degrees.pp;
  const auto dense = static_cast<double>(n_.dense.layers.size());
  const double tables = s_.degrees.pp > 1 || !n_.tied_embeddings ? 2.0 : 1.0;
  const Contents mean{.dense = dense / stages,
                      .moe = (n_.layers - dense) / stages,
                      .tables = tables / stages,
                      .in_flight = micro_batches_in_flight(s_, s_.degrees.pp - 1)};
  Terms terms = sums(mean, recompute);
  if (mean.dense == 0.0 || mean.moe == 0.0) add_one_layer(terms, mean, recompute);  // otherwise a stage may lack it
  return Bytes(sum_of(finished(terms)));
}

StageMemory::Terms StageMemory::finished(Terms terms) const {
  terms[kReserve] = assumptions_.reserve.value();
  terms[kFragmentation] = assumptions_.fragmentation * sum_of(terms);
  return terms;
}

Bytes StageMemory::total(const StageLayers& layers, Recompute recompute) const {
  return total(kinds(layers), recompute, micro_batches_in_flight(s_, layers.stage));
}

Bytes StageMemory::total(const StageKinds& kinds, Recompute recompute, double in_flight) const {
  return Bytes(sum_of(finished(terms(kinds, recompute, in_flight))));
}

StageMemory::Terms StageMemory::largest_terms(const std::vector<int>& stages, const RecomputeOf& recompute) const {
  const std::size_t copies = static_cast<std::size_t>(stage_copies(s_));
  std::vector<Terms> of_stages;
  int begin = 0;
  for (std::size_t i = 0; i < stages.size(); ++i) {
    const int stage = static_cast<int>(i);
    of_stages.push_back(
        terms(kinds({stage, begin, begin + stages[i]}), recompute(stage), micro_batches_in_flight(s_, stage)));
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

Bytes allocated(const MemoryBreakdown& memory) {
  return memory.total() - memory.terms[kReserve].bytes - memory.terms[kFragmentation].bytes;
}

Bytes held_by_allocator(const MemoryBreakdown& memory) {
  return memory.total() - memory.terms[kReserve].bytes;
}

MemoryBreakdown setup_memory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions) {
  return StageMemory(network, setup, assumptions).largest(stage_layers(network, setup));
}

}  // namespace sextant
