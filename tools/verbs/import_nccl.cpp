// sextant import-nccl: output of nccl-tests as the collectives of a cluster file.
#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <system_error>
#include <vector>

#include <fmt/format.h>

#include "models/error.h"
#include "models/yaml_io.h"
#include "tools/console.h"
#include "tools/nccl_tests/nccl_cluster.h"
#include "tools/profile_table.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ImportNcclArguments {
  std::vector<std::string> files;
  std::string out;
  std::optional<std::string> cluster;
  std::optional<std::string> name;
  std::string configs = std::filesystem::is_directory("configs/clusters") ? "configs" : SEXTANT_CONFIGS;
  NcclOptions options;
  bool json = false;
};

std::string read_output(const std::filesystem::path& path) {
  constexpr std::uintmax_t kMaxBytes = std::uintmax_t{1} << 26;  // logs with every repeat have megabytes
  std::error_code error;
  if (std::filesystem::is_directory(path, error)) {
    throw ConfigError(fmt::format("{}: found a directory, expected the output of nccl-tests", path.string()));
  }
  std::ifstream stream(path, std::ios::binary);
  if (!stream) {
    throw ConfigError(fmt::format("{}: cannot be read: {}", path.string(), std::generic_category().message(errno)));
  }
  std::string text(std::istreambuf_iterator<char>(stream), {});
  if (text.size() > kMaxBytes) {
    throw ConfigError(fmt::format("{}: larger than {} bytes, the most that is read", path.string(), kMaxBytes));
  }
  return text;
}

// The file named, or the shipped one of the device that ran the tests.
Cluster base_cluster(const ImportNcclArguments& arguments, const std::vector<NcclRun>& runs) {
  if (arguments.cluster) return load_cluster(*arguments.cluster);
  const std::string device = runs.front().ranks.empty() ? "" : runs.front().ranks.front().device;
  const std::filesystem::path folder = std::filesystem::path(arguments.configs) / "clusters";
  std::vector<Cluster> clusters;
  std::error_code error;
  for (const auto& entry : std::filesystem::directory_iterator(folder, error)) {
    if (entry.path().extension() != ".yaml") continue;
    if (Cluster cluster = load_cluster(entry.path()); cluster.reference) clusters.push_back(std::move(cluster));
  }
  std::ranges::sort(clusters, {}, &Cluster::name);
  if (const Cluster* found = cluster_of_device(clusters, device)) return *found;
  throw ConfigError(
      fmt::format("{}: nothing in {} describes the device '{}'; give --cluster FILE, which says what its memory and "
                  "kernels can do",
                  arguments.files.front(), folder.string(), device));
}

int run_import_nccl(const ImportNcclArguments& arguments) {
  require_writable(arguments.out);
  std::vector<NcclRun> runs;
  for (const std::string& file : arguments.files) {
    for (NcclRun& run : parse_nccl_output(read_output(file), file, arguments.options)) runs.push_back(std::move(run));
  }
  std::vector<std::string> names;
  for (const std::string& file : arguments.files) names.push_back(std::filesystem::path(file).filename().string());
  const Cluster base = base_cluster(arguments, runs);
  const NcclCluster imported =
      cluster_of_nccl_runs(runs, base,
                           {.name = arguments.name.value_or(std::filesystem::path(arguments.out).stem().string()),
                            .files = fmt::format("{}", fmt::join(names, ", "))});
  for (const std::string& warning : imported.warnings) warn(warning);
  write_file_atomically(arguments.out, cluster_to_yaml(imported.cluster));
  if (arguments.json) {
    fmt::print("{}", profile_json(imported.cluster, arguments.out));
  } else {
    fmt::print("{}device and kernels: {}\ncluster file: {}\n", profile_table(imported.cluster), base.name,
               arguments.out);
  }
  return 0;
}

}  // namespace

void add_import_nccl_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("import-nccl", "Turn output of nccl-tests into the collectives of a cluster file.");
  verb->footer(
      "Text tables and JSON (-J) of all_reduce_perf, all_gather_perf, reduce_scatter_perf and alltoall_perf; several "
      "files make one cluster.");
  auto arguments = std::make_shared<ImportNcclArguments>();
  verb->add_option("files", arguments->files, "Output of nccl-tests")->required()->type_name("FILE");
  verb->add_option("--out", arguments->out, "Cluster file to write")->required()->type_name("FILE");
  verb->add_option("--cluster", arguments->cluster,
                   "Cluster file whose device and kernels to take; default: the shipped one of the device that the "
                   "output names")
      ->type_name("FILE");
  verb->add_option("--name", arguments->name, "Name of the cluster; default: that of the file to write");
  verb->add_option("--test", arguments->options.test,
                   "Test that made the files, for output that does not name it: all_reduce, all_gather, "
                   "reduce_scatter or alltoall")
      ->check(CLI::IsMember({"all_reduce", "all_gather", "reduce_scatter", "alltoall"}));
  verb->add_flag("--in-place", arguments->options.in_place, "Take the in-place columns, not the out-of-place ones");
  verb->add_option("--configs", arguments->configs, "Folder of clusters/")->type_name("DIR")->capture_default_str();
  verb->add_flag("--json", arguments->json, "Print one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_import_nccl(*arguments); }; });
}

}  // namespace sextant
