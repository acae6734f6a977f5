// The folder that an experiment leaves behind.
//
//   experiment.yaml   the file that was carried out; this, costs, plans and times are there while it runs
//   cluster.yaml      the costs that the plans were made and predicted with
//   plans/NNN.yaml    the plan of every row, for sextant train, simulate and report
//   times.csv         every step as it was measured, a row a step, written as plans end
//   results.csv       predicted beside measured, a row a plan
//   details.csv       what else is known of the same rows
//   final.csv         where there was a final round, what its plans took when they were measured again
//   summary.json      errors, order and speed-ups; written last: its presence says the experiment finished
#pragma once

#include <cstddef>
#include <filesystem>
#include <span>

#include "models/cluster.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_results.h"

namespace sextant {

// One run of one plan: a row of times.csv a step.
struct RunTimes {
  std::size_t plan = 0;  // from 0, where its file's number is from 1; repeats likewise
  int repeat = 0;
  bool is_final = false;  // of the final round
  std::span<const Seconds> steps;
};

class ExperimentFolder {
 public:
  // Creates the folder; removes the results of an earlier experiment where `replaces`.
  // Throws ConfigError where it cannot be written, or holds a finished experiment and not `replaces`.
  ExperimentFolder(std::filesystem::path path, bool replaces);

  // What is known before the first plan runs.
  void write_plans(const std::filesystem::path& experiment_file, const Cluster& cluster,
                   std::span<const ExperimentPlan> plans) const;
  void append_times(const RunTimes& run) const;
  void write_results(const ExperimentResults& results) const;

 private:
  std::filesystem::path path_;
};

}  // namespace sextant
