#include "models/setup_memory.h"

#include <algorithm>

namespace sextant {
namespace {

constexpr double kActivationBytes = 2.0;

class SetupMemory {
 public:
  SetupMemory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions)
      : n_(network), s_(setup), d_(setup.degrees), assumptions_(assumptions) {
    model_dim_ = static_cast<double>(n_.model_dim);
  }

  MemoryBreakdown run() const {
    const auto [dense, experts] = held_parameters(n_, s_);
    const auto held = [&, dense = dense, experts = experts](double bytes, int from_stage) {
      const bool sharded = s_.zero_stage >= from_stage;
      return Bytes(bytes * (dense / (sharded ? d_.dp * d_.cp : 1) + experts / (sharded ? std::max(d_.edp, 1) : 1)));
    };
    MemoryBreakdown memory{{{"parameters", held(assumptions_.parameter_bytes, 3)},
                            {"gradients", held(assumptions_.gradient_bytes, 2)},
                            {"optimizer state", held(assumptions_.optimizer_bytes, 1)},
                            {"attention activations", in_flight() * Bytes(kept(attention_bytes()))},
                            {"feed-forward activations", in_flight() * Bytes(kept(feed_forward_bytes()))},
                            {"layer inputs", in_flight() * layers_here() * layer_input()},
                            {"recomputed layer", recomputed_layer()},
                            {"logits", logits()},
                            {"dispatcher workspace", dispatcher_workspace()},
                            {"reserve", assumptions_.reserve}}};
    memory.terms.push_back({"fragmentation", assumptions_.fragmentation * memory.total()});
    return memory;
  }

 private:
  double layers_here() const { return longest_stage(n_.layers, d_.pp); }

  // Micro-batches whose activations the first stage holds: one for each stage behind it and its own; with
  // virtual stages some chunks more.
  double in_flight() const {
    const double stages = d_.pp + (s_.virtual_stages > 1 ? (d_.pp - 1.0) / s_.virtual_stages : 0.0);
    return std::min(stages, static_cast<double>(s_.num_micro_batches));
  }

  // Tokens of what tensor parallelism copies instead of cutting.
  double copied_tokens() const { return s_.sequence_parallel ? s_.rank_tokens() : s_.group_tokens(); }

  Bytes layer_input() const { return Bytes(kActivationBytes * copied_tokens() * model_dim_); }

  // Of one layer: the norm's output, queries, keys, values, what the core leaves, the output's input.
  double attention_bytes() const {
    double row = 0.0;
    if (n_.mla) {
      const MlaShape& mla = *n_.mla;
      const double query = static_cast<double>(mla.qk_nope_head_dim + mla.qk_rope_head_dim);
      const double latents = static_cast<double>(mla.q_lora_rank.value_or(0) + mla.kv_lora_rank + mla.qk_rope_head_dim);
      row = n_.heads * (2.0 * query + 2.0 * static_cast<double>(mla.v_head_dim)) / d_.tp + 2.0 * latents;
    } else {
      row = static_cast<double>(n_.head_dim) * (2.0 * n_.heads + 2.0 * n_.kv_heads) / d_.tp;
    }
    double bytes = kActivationBytes * (s_.group_tokens() * row + copied_tokens() * model_dim_);
    if (!s_.fused_attention && s_.recompute == Recompute::kNone) {
      constexpr double kProbabilityBytes = 5.0;  // softmax, dropout and its mask
      bytes += kProbabilityBytes * s_.group_tokens() * static_cast<double>(s_.sequence) * n_.heads / d_.tp;
    }
    return bytes;
  }

  // Hidden rows before and after the activation: three with a gate, two without.
  double hidden_rows() const { return n_.expert_kind == ExpertKind::kSwiglu ? 3.0 : 2.0; }

  // Of one layer, mean over dense and MoE layers: the second norm's input and output, the hidden rows; of experts the
  // rows that arrive and those that leave.
  double feed_forward_bytes() const {
    const double norms = 2.0 * copied_tokens() * model_dim_;
    const double dense = s_.group_tokens() * hidden_rows() * static_cast<double>(n_.dense.hidden_dim) / d_.tp;
    const double choices = s_.rank_tokens() * n_.top_k * n_.capacity_factor;
    double moe = choices * (hidden_rows() * static_cast<double>(n_.expert_hidden_dim) + (1.0 + d_.esp) * model_dim_);
    if (n_.shared_experts) {
      moe += s_.group_tokens() * hidden_rows() *
             static_cast<double>(n_.shared_experts->count * n_.shared_experts->hidden_dim) / d_.tp;
    }
    const double moe_share = static_cast<double>(num_moe_layers(n_)) / n_.layers;
    return kActivationBytes * (norms + (1.0 - moe_share) * dense + moe_share * moe);
  }

  // What of a layer's bytes all layers of the stage keep.
  double kept(double layer_bytes) const { return s_.recompute == Recompute::kFull ? 0.0 : layers_here() * layer_bytes; }

  Bytes recomputed_layer() const {
    return Bytes(s_.recompute == Recompute::kFull ? attention_bytes() + feed_forward_bytes() : 0.0);
  }

  // The last stage's; on the first only where it is the last too.
  Bytes logits() const {
    if (d_.pp > 1) return Bytes(0.0);
    return Bytes(assumptions_.logit_bytes * s_.group_tokens() * static_cast<double>(n_.vocabulary) / d_.tp);
  }

  // Tokens on their way: sent and received, both directions of one layer, gathered over esp.
  Bytes dispatcher_workspace() const {
    const double choices = s_.rank_tokens() * n_.top_k * n_.capacity_factor;
    return Bytes(num_moe_layers(n_) == 0 ? 0.0 : 2.0 * kActivationBytes * choices * model_dim_ * (1.0 + d_.esp));
  }

  const Network& n_;
  const TrainingSetup& s_;
  const ParallelDegrees& d_;
  const MemoryAssumptions& assumptions_;
  double model_dim_;
};

}  // namespace

MemoryBreakdown setup_memory(const Network& network, const TrainingSetup& setup, const MemoryAssumptions& assumptions) {
  return SetupMemory(network, setup, assumptions).run();
}

}  // namespace sextant
