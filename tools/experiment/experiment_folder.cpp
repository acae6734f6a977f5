#include "tools/experiment/experiment_folder.h"

#include <array>
#include <fstream>
#include <iterator>
#include <string>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "planner/plan.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSummary = "summary.json";
constexpr const char* kTimes = "times.csv";

std::string read_text(const fs::path& path) {
  std::ifstream stream(path, std::ios::binary);
  std::string text{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream) throw ConfigError(fmt::format("{}: cannot be read", path.string()));
  return text;
}

void create_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  if (!error && !fs::is_directory(path)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw ConfigError(fmt::format("{}: cannot create the folder ({})", path.string(), error.message()));
}

// False where there was nothing.
bool remove_file(const fs::path& path) {
  std::error_code error;
  const bool removed = fs::remove(path, error);
  if (error) throw ConfigError(fmt::format("{}: cannot be replaced ({})", path.string(), error.message()));
  return removed;
}

std::string plan_name(std::size_t number) {
  return fmt::format("{:03}.yaml", number);
}

}  // namespace

ExperimentFolder::ExperimentFolder(fs::path path, bool replaces) : path_(std::move(path)) {
  create_folder(path_);
  if (!replaces && fs::exists(path_ / kSummary)) {
    throw ConfigError(fmt::format(
        "{}: holds a finished experiment or run; choose another folder or replace it with --force", path_.string()));
  }
  for (const char* name :
       std::array{kSummary, "results.csv", "details.csv", "final.csv", kTimes, "cluster.yaml", "experiment.yaml"}) {
    remove_file(path_ / name);
  }
  create_folder(path_ / "plans");
  for (unsigned number = 1;; ++number) {
    if (!remove_file(path_ / "plans" / plan_name(number))) break;
  }
  require_writable(path_ / kSummary);
}

void ExperimentFolder::write_plans(const fs::path& experiment_file, const Cluster& cluster,
                                   std::span<const ExperimentPlan> plans) const {
  write_file_atomically(path_ / "experiment.yaml", read_text(experiment_file));
  write_file_atomically(path_ / "cluster.yaml", cluster_to_yaml(cluster));
  for (std::size_t i = 0; i < plans.size(); ++i) {
    write_file_atomically(path_ / "plans" / plan_name(i + 1), plan_to_yaml(plans[i].plan));
  }
  write_file_atomically(path_ / kTimes, "plan,round,repeat,step,step_s\n");
}

void ExperimentFolder::append_times(const RunTimes& run) const {
  std::string text;
  for (std::size_t step = 0; step < run.steps.size(); ++step) {
    text += fmt::format("{},{},{},{},{}\n", run.plan + 1, run.is_final ? "final" : "all", run.repeat + 1, step + 1,
                        run.steps[step].value());
  }
  std::ofstream stream(path_ / kTimes, std::ios::binary | std::ios::app);
  stream << text << std::flush;
  if (!stream) throw ConfigError(fmt::format("{}: cannot be written", (path_ / kTimes).string()));
}

void ExperimentFolder::write_results(const ExperimentResults& results) const {
  write_file_atomically(path_ / "results.csv", results_csv(results.rows));
  write_file_atomically(path_ / "details.csv", details_csv(results.rows));
  if (!results.finalists.empty()) {
    write_file_atomically(path_ / "final.csv", final_csv(results.rows, results.finalists));
  }
  write_file_atomically(path_ / kSummary, experiment_json(results));
}

}  // namespace sextant
