// An experiment as data: which plans to make, carry out and measure (configs/experiments/*.yaml).
//
// Wherever a key takes a value it takes a list of them, and the plans are the product of all lists.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <vector>

#include "models/network.h"
#include "planner/layout_search.h"
#include "planner/schedule.h"

namespace sextant {

// Which layouts of the job's ranks.
struct LayoutChoice {
  enum class Kind {
    kAll,    // every one
    kBest,   // the one in which the experiment's fastest plan is predicted, for all schedules
    kFixed,  // every one that has the degrees fixed in `fixed`
  };
  Kind kind = Kind::kAll;
  SearchRequest fixed = {};  // only its degrees
};

// Samples a step: of the job, or of each of its ranks, so that one file serves jobs of any size.
struct BatchSize {
  std::int64_t samples = 0;
  bool is_per_rank = false;

  [[nodiscard]] std::int64_t on(int num_ranks) const { return is_per_rank ? samples * num_ranks : samples; }
};

// Pipeline degrees; absent: the planner's choice.
struct DegreeChoice {
  std::optional<int> forward;
  std::optional<int> backward;
};

// After all plans: of every name the pick and the `plans` measured fastest run again, in turn.
struct FinalRound {
  int plans = 0;
  int repeats = 0;
  int steps = 0;
};

struct Experiment {
  std::optional<std::filesystem::path> cluster;  // absent: the machine is measured first
  bool quick_profile = true;                     // ... with few repeats
  std::vector<Network> networks;                 // of different names
  std::vector<BatchSize> batches;
  std::vector<std::int64_t> sequences;
  std::vector<std::optional<std::int64_t>> micro_batches;  // absent: the planner's choice
  std::vector<LayoutChoice> layouts;
  std::vector<Policy> schedules;
  std::vector<DegreeChoice> degrees;
  std::vector<Policy> references;             // speed-ups are over each of these, all in `schedules`
  std::optional<std::filesystem::path> data;  // text to train on; absent: random tokens
  int steps = 0;                              // measured each time that a plan runs
  int warmup_steps = 0;                       // before them, not counted
  int repeats = 0;                            // times that every plan runs, in turn with the others
  std::optional<FinalRound> final_round;
};

// Schema sextant/experiment@1; exact keys, described in configs/experiments/README.md. Paths in the file
// start at its folder. Throws ConfigError path:line:column.
[[nodiscard]] Experiment load_experiment(const std::filesystem::path& path);

}  // namespace sextant
