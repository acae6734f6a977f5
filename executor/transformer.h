// The MoE transformer that a plan trains: parameters, activations and a kernel for every task kind.
//
// Per rank, between layers: x [micro_batch, sequence / tp, M]. Parameters and gradients lie in one
// flat buffer per reducing group, in the order in which the backward makes gradients ready (head,
// layer L-1, ..., layer 0, embedding), so that a gradient slice of the plan is a range of a buffer.
// Every value of the scalar type T (float trains, double proves).
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "executor/graph_executor.h"
#include "executor/parameters.h"
#include "executor/runtime/runtime.h"
#include "models/work.h"
#include "planner/task_graph.h"

namespace sextant {

class LayoutGroups;

struct OptimizerOptions {
  double learning_rate = 3e-3;      // peak, after warm-up
  double min_learning_rate = 3e-4;  // at the end of the cosine
  int warmup_steps = 20;
  int total_steps = 0;  // of the cosine; 0: constant after warm-up
  double beta1 = 0.9;
  double beta2 = 0.95;
  double epsilon = 1e-8;
  double weight_decay = 0.1;  // matrices only, not norms
  double clip_norm = 1.0;     // 0: no clipping
};
// Rate of the update number `step`, counted from 0: learning_rate * (step + 1) / warmup_steps during the
// warm-up, then a cosine from learning_rate down to min_learning_rate at total_steps and after.
[[nodiscard]] double learning_rate_at(const OptimizerOptions& options, std::int64_t step);

struct StepResult {
  double loss = 0.0;  // cross-entropy, nats per token, mean over the global batch
  // Mean over layers and micro-batches of E * sum over e of m_e c_e, before the coefficient, where over
  // the global micro-batch m_e is the mean gate probability of expert e and c_e the fraction of tokens
  // whose first choice it is. 0 where the network's coefficient is 0: it is not computed then.
  // What is minimised: loss + coefficient * layers * auxiliary_loss, with c_e held constant.
  double auxiliary_loss = 0.0;
  double gradient_norm = 0.0;  // global, before clipping
  double learning_rate = 0.0;
  double dropped_fraction = 0.0;  // of (token, expert) choices of this rank, over capacity
};

// Which source rank each token belongs to, for the reference run of tests: one rank holds the whole
// batch but counts capacity as `dp` x `tp` sources of a distributed layout would. {1, 1}: own tokens.
struct SourcePartition {
  int dp = 1;
  int tp = 1;
};

struct TransformerOptions {
  OptimizerOptions optimizer{};
  SourcePartition sources{};
  OverlapOptions overlap{};  // of the schedule whose tasks will be bound: memory for it is allocated
  // Of the step's layout, for transformers that run one after the other; null: made for this one.
  std::shared_ptr<LayoutGroups> groups = nullptr;
};

template <typename T>
class Transformer : public KernelSource {
 public:
  // Collective over world. Initialises parameters from `seed`: the same logical values for every
  // layout. Throws ConfigError for what cannot be run here (pp > 1, cp > 1).
  Transformer(const StepShape& step, World& world, std::uint64_t seed, const TransformerOptions& options);
  ~Transformer() override;

  // Tokens of this rank's data-parallel replica for the coming step:
  // inputs, targets [num_micro_batches, micro_batch, sequence]; each < vocabulary.
  void set_batch(std::span<const std::int32_t> inputs, std::span<const std::int32_t> targets);

  // The pipeline degrees of the layers are those of the graph bound last: only that one may run.
  [[nodiscard]] TaskKernel bind(const Task& task) override;

  // After the step's graph has run. Collective only in that every rank may call it; no communication.
  [[nodiscard]] StepResult result() const;

  using Parameter = sextant::Parameter;
  [[nodiscard]] const std::vector<Parameter>& parameters() const;
  // Contiguous, row-major, extent's size.
  [[nodiscard]] std::span<T> value(const Parameter& parameter) const;
  [[nodiscard]] std::span<const T> gradient(
      const Parameter& parameter) const;  // of the last step, reduced, before clipping
  [[nodiscard]] std::span<T> first_moment(const Parameter& parameter) const;
  [[nodiscard]] std::span<T> second_moment(const Parameter& parameter) const;
  [[nodiscard]] std::int64_t step() const;
  void set_step(std::int64_t step);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sextant
