// Carries the plans of an experiment out, in turn: plan A, B, C, then A, B, C again, so that a slow phase
// of the machine meets all of them.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "executor/data.h"
#include "executor/runtime/runtime.h"
#include "models/cost_model.h"
#include "planner/plan.h"

namespace sextant {

// Step times of one plan, each that of the slowest rank; [repeat][step], warm-up left out.
using StepTimes = std::vector<std::vector<Seconds>>;

struct ExperimentRun {
  std::span<const Plan> plans;
  const CostModel& costs;  // of the order of issue
  const Corpus& corpus;
  int steps = 0;
  int warmup_steps = 0;
  int repeats = 0;
  // Called on every rank before plan `index` runs for the `repeat`th time, both from 0.
  std::function<void(int index, int repeat)> on_start;
  // ... and after it, with its step times.
  std::function<void(int index, int repeat, std::span<const Seconds> times)> on_end = nullptr;
};

// Collective over `world`; every rank returns the same times, [plan]. One plan's transformer exists at a time.
[[nodiscard]] std::vector<StepTimes> measure_plans(World& world, const ExperimentRun& run);

// Bytes below `vocabulary`, all alike likely, the same for every call.
[[nodiscard]] Corpus random_corpus(std::int64_t vocabulary, std::int64_t num_bytes);

// The texts of rank 0 on every rank. Collective over `world`.
[[nodiscard]] std::vector<std::string> share_texts(World& world, const std::vector<std::string>& texts);

// Where an experiment stands, counted in runs of a plan.
struct RunProgress {
  std::int64_t number = 0;  // of the run that starts, from 1
  std::int64_t total = 0;
  std::optional<Seconds> left;  // from how long the runs so far took for their predicted times; absent for the first
};
// Before a run starts, `elapsed` after the start of the first. REQUIRES: a run that `run` has.
struct RunStart {
  int index = 0;  // of the plan
  int repeat = 0;
  Seconds elapsed;
};
[[nodiscard]] RunProgress run_progress(const ExperimentRun& run, const RunStart& start);

}  // namespace sextant
