// Time of a training step at scale in closed form, term by term, on a machine known by reference only
// (models/reference.h): what the search over thousands of devices evaluates, and what `validate` scores.
//
// Formulas: models/README.md, section 8.
#pragma once

#include "models/cluster.h"
#include "models/layer_times.h"
#include "models/network.h"
#include "models/step_terms.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

struct StepEstimate {
  StepTerms terms{};
  // Communication of the experts that computation hides, of all micro-batches on the slowest stage: in no term.
  Seconds hidden;
  [[nodiscard]] Seconds operator[](StepTerm term) const { return terms[static_cast<std::size_t>(term)]; }
  [[nodiscard]] Seconds total() const;
  // The term other than products and attention that costs most.
  [[nodiscard]] StepTerm largest_overhead() const;
};

// A step is m times the slowest stage t_max and the bubble, in which 1F1B leaves the other stages idle:
//   1F1B       (sum of t_i over the stages - t_max) / v                              v virtual stages
//   ZB-H1      (pp - 1) (F + B - 2 W)        Qi et al. (ICLR 2024), table 2
//   DualPipe   (pp / 2 - 1) (F&B + B - 3 W)  DeepSeek-V3 technical report (arXiv 2412.19437), table 2
// with forward F, backward B, of it the weight gradients W, and F&B both at once, means of the stages; B is the whole
// backward. Then transfers, gradients as far as nothing hides them, the update. REQUIRES: cluster.reference; degrees of
// at least 1 whose products are the same number of ranks; stages that add up to the layers.
// `cluster.topology.devices_per_node` says how many consecutive ranks share the faster links.
[[nodiscard]] StepEstimate estimate_step(const Network& network, const TrainingSetup& setup, const Cluster& cluster,
                                         const FrameworkAssumptions& framework = {});

// What the stages of a pipeline add to a step, for stages of times t_i: slowest * max t_i + sum * (sum of t_i), and
// what does not depend on them; the step is the faster the less that is. Under DualPipe only where all stages
// recompute the same, so that their sum is given.
struct StageWeights {
  double slowest = 1.0;
  double sum = 0.0;
};
[[nodiscard]] StageWeights stage_weights(const TrainingSetup& setup);

// The same if every stage were the mean of all, with `setup.recompute` on each: no split of the layers into stages
// takes less, nor with more computed again on some. With ChunkCosts::kLeast nor with any degrees.
[[nodiscard]] StepEstimate estimate_even_step(const Network& network, const TrainingSetup& setup,
                                              const Cluster& cluster, const FrameworkAssumptions& framework = {},
                                              ChunkCosts costs = ChunkCosts::kReal);

// Products and attention of forward and backward per token, as the field counts them for MFU: three forwards,
// attention over the whole square (Narayanan et al., 2021), nothing computed again, top_k experts.
[[nodiscard]] Flops model_flops_per_token(const Network& network, std::int64_t sequence);

}  // namespace sextant
