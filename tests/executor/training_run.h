// Trains a network on ranks that are threads, on random tokens, and reports what every step gave: the
// subject and the reference of tests that compare layouts.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "executor/transformer.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

struct TrainingCase {
  StepShape step;
  Schedule schedule;
  SourcePartition sources;
  OptimizerOptions optimizer;
  int steps = 1;
  std::uint64_t seed = 1;
};

struct TrainingStep {
  StepResult result;                                     // of rank 0
  double dropped_fraction = 0.0;                         // mean over ranks
  std::map<std::string, std::vector<double>> gradients;  // whole tensors, put together from the ranks' slices
};

// Degrees {1, 1} everywhere, gradients reduced unit by unit.
[[nodiscard]] Schedule plain_schedule(const StepShape& step, Policy policy);

// Tokens of step `index` for the whole job: inputs or targets [num_micro_batches, global samples, sequence].
[[nodiscard]] std::vector<std::int32_t> random_tokens(const StepShape& step, std::uint64_t seed, int index);

// Throws InternalError when ranks that hold the same slice report different gradients.
template <typename T>
[[nodiscard]] std::vector<TrainingStep> run_training(const TrainingCase& training_case);

}  // namespace sextant
