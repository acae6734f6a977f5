// sextant profile: what every kernel and collective costs on the running ranks.
#include "profiler/profile.h"

#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/error.h"
#include "models/step_support.h"
#include "models/yaml_io.h"
#include "tools/console.h"
#include "tools/profile_progress.h"
#include "tools/profile_table.h"
#include "tools/progress_line.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ProfileArguments {
  std::string out;
  std::string name = "measured";
  std::vector<std::string> networks;
  std::vector<std::int64_t> sequences = {128};
  std::vector<std::int64_t> micro_batches;
  std::optional<int> ranks;
  std::optional<int> devices_per_node;
  bool quick = false;
  bool json = false;
};

ProfileOptions profile_options(const ProfileArguments& arguments) {
  ProfileOptions options;
  options.name = arguments.name;
  for (const std::string& path : arguments.networks) options.networks.push_back(load_supported_network(path));
  options.sequences = arguments.sequences;
  options.micro_batches = arguments.micro_batches;
  options.quick = arguments.quick;
  return options;
}

void write_result(const ProfileArguments& arguments, const Cluster& cluster) {
  const std::string yaml = cluster_to_yaml(cluster);
  write_file_atomically(arguments.out, yaml);
  if (arguments.json) {
    fmt::print("{}", profile_json(cluster, arguments.out));
  } else {
    fmt::print("{}cluster file: {}\n", profile_table(cluster), arguments.out);
  }
}

int profile_on_rank(World& world, const ProfileArguments& arguments) {
  ProfileOptions options;
  run_on_all(world, [&] {
    options = profile_options(arguments);
    if (world.rank() == 0) require_writable(arguments.out);
  });
  ProgressLine line(stderr, is_terminal(stderr));
  if (world.rank() == 0) {
    options.progress = [&](const ProfileProgress& progress) {
      line.show(profile_progress_line(progress), progress.done, progress.total);
    };
  }
  const Cluster cluster = profile(world, options);
  run_on_all(world, [&] {
    if (world.rank() == 0) write_result(arguments, cluster);
  });
  return 0;
}

// Without a launcher the ranks are threads: one, unless --ranks says more.
LaunchOptions launch_options(const ProfileArguments& arguments, Backend backend) {
  LaunchOptions options{.num_ranks = arguments.ranks, .topology = std::nullopt};
  if (backend != Backend::kLocal) return options;
  const int ranks = arguments.ranks.value_or(1);
  options.num_ranks = ranks;
  if (!arguments.devices_per_node) return options;
  if (ranks % *arguments.devices_per_node != 0) {
    throw ConfigError(
        fmt::format("--devices-per-node {} does not divide {} ranks", *arguments.devices_per_node, ranks));
  }
  options.topology =
      Topology{.nodes = ranks / *arguments.devices_per_node, .devices_per_node = *arguments.devices_per_node};
  return options;
}

int run_profile(const ProfileArguments& arguments) {
  const Backend backend = detect_backend();
  return launch(backend, launch_options(arguments, backend),
                [&](World& world) { return profile_on_rank(world, arguments); });
}

}  // namespace

void add_profile_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("profile", "Measure what kernels and collectives cost on the running ranks.");
  verb->footer(
      "Start it the way training will be started:\n"
      "  mpirun -np 4 sextant profile --network network.yaml --out cluster.yaml\n"
      "Without mpirun the ranks are threads of this process (--ranks).\n"
      "Kernels are timed at the shapes of the named networks; other networks are priced by fits of these.");
  auto arguments = std::make_shared<ProfileArguments>();
  verb->add_option("--out", arguments->out, "Cluster file to write")->required()->type_name("FILE");
  verb->add_option("--name", arguments->name, "Name of the cluster")->capture_default_str();
  verb->add_option("--network", arguments->networks, "Network file whose kernels are timed; may be repeated")
      ->type_name("FILE");
  verb->add_option("--sequence", arguments->sequences, "Tokens of a sample at which kernels are timed")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--micro-batch", arguments->micro_batches, "Samples at which kernels are timed; default 1,2,4,8")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--ranks", arguments->ranks, "Number of ranks where no launcher gives it; default 1")
      ->check(CLI::Range(1, 1 << 12));
  verb->add_option("--devices-per-node", arguments->devices_per_node,
                   "Ranks of a node where ranks are threads; default: all of them")
      ->check(CLI::Range(1, 1 << 12));
  verb->add_flag("--quick", arguments->quick, "Fewer sizes and repeats: under a minute for 4 ranks");
  verb->add_flag("--json", arguments->json, "Print a summary as one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_profile(*arguments); }; });
}

}  // namespace sextant
