// sextant profile: what every kernel and collective costs on the running ranks, or what a run says of it.
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
#include "profiler/refit.h"
#include "tools/console.h"
#include "tools/measured_run.h"
#include "tools/profile_progress.h"
#include "tools/profile_table.h"
#include "tools/progress_line.h"
#include "tools/refit_table.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

constexpr int kNothingBetter = 3;

struct ProfileArguments {
  std::string out;
  std::string refit;    // run folder; empty: measure
  std::string cluster;  // to refit
  std::string name = "measured";
  std::vector<std::string> networks;
  std::vector<std::int64_t> sequences = {128};
  std::vector<std::int64_t> micro_batches;
  std::optional<int> ranks;
  double timeout_s = LaunchOptions{}.patience.value();
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
  LaunchOptions options{.num_ranks = arguments.ranks, .patience = Seconds(arguments.timeout_s)};
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

// ---- a run instead of a measurement ----

// A run says nothing of another machine's numbers.
void check_same_machine(const MeasuredRun& run, const Cluster& cluster, const ProfileArguments& arguments) {
  if (cluster.reference) {
    throw ConfigError(
        fmt::format("{}: is a reference cluster; a run refits one that sextant profile measured", arguments.cluster));
  }
  const Topology& of_run = run.plan.step.layout.topology();
  if (of_run != cluster.topology || run.backend != cluster.backend) {
    throw ConfigError(fmt::format("{}: a run of {} nodes of {} ranks on back end {}; {} has {} of {} on {}",
                                  arguments.refit, of_run.nodes, of_run.devices_per_node, run.backend,
                                  arguments.cluster, cluster.topology.nodes, cluster.topology.devices_per_node,
                                  cluster.backend));
  }
  if (content_hash(cluster_to_yaml(cluster)) != run.plan.cluster_hash) {
    warn(fmt::format("{} is not the cluster file that the run's plan was made with ({})", arguments.cluster,
                     run.plan.cluster_name));
  }
}

int run_refit(const ProfileArguments& arguments) {
  if (!is_speaking_rank()) return 0;  // one rank is enough to read files
  const std::string out = arguments.out.empty() ? arguments.cluster : arguments.out;
  const MeasuredRun run = load_measured_run(arguments.refit);
  const Cluster cluster = load_cluster(arguments.cluster);
  check_same_machine(run, cluster, arguments);
  require_writable(out);
  const Refit result = refit(run.plan, cluster, run.step);
  const bool is_worse = result.is_worse();
  if (!is_worse) write_file_atomically(out, cluster_to_yaml(result.cluster));
  if (arguments.json) {
    fmt::print("{}", refit_json(result, is_worse ? "" : out));
  } else {
    fmt::print("{}", refit_table(result));
    if (!is_worse) fmt::print("cluster file: {}\n", out);
  }
  if (!is_worse) return 0;
  tell_error("the refitted cluster predicts the run's own step worse than before; nothing was written");
  return kNothingBetter;
}

}  // namespace

void add_profile_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("profile", "Measure what kernels and collectives cost on the running ranks.");
  verb->footer(
      "Start it the way training will be started:\n"
      "  mpirun -np 4 sextant profile --network network.yaml --out cluster.yaml\n"
      "Without mpirun the ranks are threads of this process (--ranks).\n"
      "Kernels are timed at the shapes of the named networks; other networks are priced by fits of these.\n"
      "After a run, without ranks and in a moment:\n"
      "  sextant profile --refit run/ --cluster cluster.yaml\n"
      "puts what its tasks took in place of the profile's numbers and says which was most wrong. Exit code 3, with\n"
      "nothing written, where the run's own step would be predicted worse than before.");
  auto arguments = std::make_shared<ProfileArguments>();
  auto* refit = verb->add_option("--refit", arguments->refit, "Run folder of sextant train to learn from")
                    ->type_name("RUN_FOLDER");
  verb->add_option("--cluster", arguments->cluster, "Cluster file to refit")->type_name("FILE")->needs(refit);
  verb->add_option("--out", arguments->out,
                   "Cluster file to write; required, but with --refit, whose default is "
                   "the file itself")
      ->type_name("FILE");
  verb->add_option("--name", arguments->name, "Name of the cluster")->capture_default_str()->excludes(refit);
  verb->add_option("--network", arguments->networks, "Network file whose kernels are timed; may be repeated")
      ->type_name("FILE")
      ->excludes(refit);
  verb->add_option("--sequence", arguments->sequences, "Tokens of a sample at which kernels are timed")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str()
      ->excludes(refit);
  verb->add_option("--micro-batch", arguments->micro_batches, "Samples at which kernels are timed; default 1,2,4,8")
      ->delimiter(',')
      ->check(CLI::Range(1, 1 << 20))
      ->excludes(refit);
  verb->add_option("--ranks", arguments->ranks, "Number of ranks where no launcher gives it; default 1")
      ->check(CLI::Range(1, 1 << 12))
      ->excludes(refit);
  verb->add_option("--timeout", arguments->timeout_s, "Seconds that a rank waits for the others before the job fails")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str()
      ->excludes(refit);
  verb->add_option("--devices-per-node", arguments->devices_per_node,
                   "Ranks of a node where ranks are threads; default: all of them")
      ->check(CLI::Range(1, 1 << 12))
      ->excludes(refit);
  verb->add_flag(
          "--quick", arguments->quick,
          "Fewer sizes and repeats: a minute and a half for one small network on 4 ranks, several without --network")
      ->excludes(refit);
  verb->add_flag("--json", arguments->json, "Print a summary as one JSON object on stdout");
  verb->callback([arguments, &run] {
    const bool refits = !arguments->refit.empty();
    if (refits && arguments->cluster.empty()) throw CLI::RequiredError("--cluster");
    if (!refits && arguments->out.empty()) throw CLI::RequiredError("--out");
    run = [arguments, refits] { return refits ? run_refit(*arguments) : run_profile(*arguments); };
  });
}

}  // namespace sextant
