// The folder that an experiment leaves behind.
//
//   experiment.yaml   the file that was carried out
//   cluster.yaml      the costs that the plans were made and predicted with
//   plans/NNN.yaml    the plan of every row, for sextant train, simulate and report
//   results.csv       predicted beside measured, a row a plan
//   details.csv       what else is known of the same rows
//   final.csv         where there was a final round, what its plans took when they were measured again
//   summary.json      errors, order and speed-ups; written last: its presence says the experiment finished
#pragma once

#include <filesystem>
#include <span>

#include "models/cluster.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_results.h"

namespace sextant {

class ExperimentFolder {
 public:
  // Creates the folder; removes the results of an earlier experiment where `replaces`.
  // Throws ConfigError where it cannot be written, or holds a finished experiment and not `replaces`.
  ExperimentFolder(std::filesystem::path path, bool replaces);

  void write(const std::filesystem::path& experiment_file, const Cluster& cluster,
             std::span<const ExperimentPlan> plans, const ExperimentResults& results) const;

 private:
  std::filesystem::path path_;
};

}  // namespace sextant
