#include "tools/run_folder.h"

#include <array>
#include <cerrno>
#include <cstring>
#include <system_error>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kLog = "log.jsonl";
constexpr const char* kPartialLog = "log.jsonl.partial";
constexpr const char* kSummary = "summary.json";

void create_folder(const fs::path& path) {
  std::error_code error;
  fs::create_directories(path, error);
  // create_directories reports a file in the way of the last part only through is_directory.
  if (!error && !fs::is_directory(path)) error = std::make_error_code(std::errc::not_a_directory);
  if (error) throw ConfigError(fmt::format("{}: cannot create the run folder ({})", path.string(), error.message()));
}

// The checkpoint stays until the next one replaces it.
void remove_results(const fs::path& path) {
  for (const char* name : std::array{kSummary, "trace.json", kLog, kPartialLog, "plan.yaml", "cluster.yaml"}) {
    std::error_code error;
    fs::remove(path / name, error);
    if (error) throw ConfigError(fmt::format("{}: cannot be replaced ({})", (path / name).string(), error.message()));
  }
}

// The lines of the run's log, whole or partial, up to step `last_step`.
std::string log_until(const fs::path& path, std::int64_t last_step) {
  std::ifstream log(path / (fs::exists(path / kPartialLog) ? kPartialLog : kLog));
  std::string kept;
  for (std::string line; std::getline(log, line);) {
    const nlohmann::json entry = nlohmann::json::parse(line, nullptr, /*allow_exceptions=*/false);
    const bool is_whole = entry.is_object() && entry.contains("step");  // the last line of a killed run may be cut
    if (is_whole && entry["step"].get<std::int64_t>() <= last_step) kept += line + "\n";
  }
  return kept;
}

[[noreturn]] void fail_write(const fs::path& path) {
  throw ConfigError(fmt::format("{}: cannot be written ({})", path.string(), std::strerror(errno)));
}

}  // namespace

bool holds_finished_run(const fs::path& path) {
  return fs::exists(path / kSummary);
}

std::string folder_name(const std::filesystem::path& folder) {
  const std::filesystem::path clean = std::filesystem::absolute(folder).lexically_normal();
  return (clean.has_filename() ? clean : clean.parent_path()).filename().string();
}

fs::path checkpoint_path(const fs::path& run_folder) {
  return run_folder / "checkpoint.safetensors";
}

RunFolder::RunFolder(fs::path path, ExistingRun existing, std::int64_t steps_done) : path_(std::move(path)) {
  create_folder(path_);
  if (existing == ExistingRun::kRefuse && holds_finished_run(path_)) {
    throw ConfigError(
        fmt::format("{}: holds a finished run; choose another folder or replace it with --force", path_.string()));
  }
  const std::string kept = existing == ExistingRun::kContinue ? log_until(path_, steps_done) : "";
  remove_results(path_);
  log_.open(path_ / kPartialLog, std::ios::trunc);
  log_ << kept << std::flush;
  if (!log_) fail_write(path_ / kPartialLog);
}

void RunFolder::write(const std::string& name, const std::string& text) const {
  write_file_atomically(path_ / name, text);
}

void RunFolder::append_to_log(const std::string& line) {
  log_ << line << '\n' << std::flush;
  if (!log_) fail_write(path_ / kPartialLog);
}

void RunFolder::finish_log() {
  log_.close();
  std::error_code error;
  fs::rename(path_ / kPartialLog, path_ / kLog, error);
  if (error) throw ConfigError(fmt::format("{}: cannot be written ({})", (path_ / kLog).string(), error.message()));
}

}  // namespace sextant
