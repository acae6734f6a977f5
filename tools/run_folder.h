// The folder that a training run leaves behind, and that `sextant report` reads.
//
//   plan.yaml      the plan that was carried out
//   cluster.yaml   the cluster file that priced it, where one was given
//   log.jsonl      one JSON object a step
//   trace.json     one step of every rank and its prediction, for chrome://tracing or Perfetto
//   checkpoint.safetensors  parameters and optimizer state, for --resume
//   summary.json   what was measured beside what was predicted; its presence says the run finished
//
// While training goes on the log is called log.jsonl.partial, so that no file has its final name before
// it is whole; after a failure the log so far stays under the partial name.
#pragma once

#include <cstdint>
#include <filesystem>
#include <fstream>
#include <string>

namespace sextant {

enum class ExistingRun {
  kRefuse,    // a finished run is left alone: ConfigError
  kReplace,   // its results are removed first
  kContinue,  // its results are removed, the log goes on after the steps done
};

class RunFolder {
 public:
  // Creates the folder, removes results of an earlier run and opens the log. With kContinue the log
  // keeps its lines up to step `steps_done`, that of the checkpoint: later ones will be run again.
  // Throws ConfigError naming the path and the system's reason when the folder cannot be written.
  RunFolder(std::filesystem::path path, ExistingRun existing, std::int64_t steps_done = 0);

  // Writes a whole file under its final name.
  void write(const std::string& name, const std::string& text) const;
  // Appends a line to the log and flushes it, so that a running training can be followed.
  void append_to_log(const std::string& line);
  // Gives the log its final name.
  void finish_log();

  [[nodiscard]] const std::filesystem::path& path() const { return path_; }

 private:
  std::filesystem::path path_;
  std::ofstream log_;
};

inline constexpr const char* kRunSchema = "sextant/run@1";  // of summary.json

// "run" of "a/run/".
[[nodiscard]] std::string folder_name(const std::filesystem::path& folder);
// Where a run keeps its checkpoint.
[[nodiscard]] std::filesystem::path checkpoint_path(const std::filesystem::path& run_folder);
// True when `path` holds a finished run.
[[nodiscard]] bool holds_finished_run(const std::filesystem::path& path);

}  // namespace sextant
