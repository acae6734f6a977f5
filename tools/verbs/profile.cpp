// sextant profile: measures the ranks it runs on and writes the cluster file.
#include "profiler/profile.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/network.h"
#include "models/yaml_io.h"
#include "tools/console.h"
#include "tools/output_file.h"
#include "tools/progress_line.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct ProfileArguments {
  std::string out;
  std::string name = ProfileOptions{}.name;
  std::vector<std::string> networks;
  std::int64_t sequence = ProfileOptions{}.sequence;
  std::vector<std::int64_t> micro_batches;
  std::optional<int> ranks;
  bool quick = false;
  bool json = false;
};

struct PointCounts {
  std::size_t collectives = 0;
  std::size_t kernels = 0;
};

PointCounts count_points(const Cluster& cluster) {
  PointCounts counts;
  for (const CollectiveSeries& series : cluster.collectives) counts.collectives += series.points.size();
  for (const KernelSeries& series : cluster.kernels) counts.kernels += series.points.size();
  return counts;
}

std::string result_json(const Cluster& cluster, const ProfileArguments& arguments, double elapsed_s) {
  const PointCounts counts = count_points(cluster);
  const nlohmann::ordered_json json{{"cluster", cluster.name},
                                    {"out", arguments.out},
                                    {"backend", cluster.backend},
                                    {"ranks", cluster.topology.num_ranks()},
                                    {"collective_points", counts.collectives},
                                    {"kernel_points", counts.kernels},
                                    {"seconds", elapsed_s}};
  return json.dump() + "\n";
}

std::string result_text(const Cluster& cluster, const ProfileArguments& arguments, double elapsed_s) {
  const PointCounts counts = count_points(cluster);
  return fmt::format("{}: {} ranks ({}), {} collective and {} kernel times measured in {:.1f} s\n", arguments.out,
                     cluster.topology.num_ranks(), cluster.backend, counts.collectives, counts.kernels, elapsed_s);
}

ProfileOptions profile_options(const ProfileArguments& arguments) {
  ProfileOptions options;
  options.name = arguments.name;
  for (const std::string& path : arguments.networks) options.networks.push_back(load_network(path));
  options.sequence = arguments.sequence;
  options.micro_batches = arguments.micro_batches;
  options.quick = arguments.quick;
  return options;
}

int profile_on_rank(World& world, const ProfileArguments& arguments) {
  ProfileOptions options;
  run_on_all(world, [&] {
    options = profile_options(arguments);
    if (world.rank() == 0) check_writable(arguments.out);
  });
  ProgressLine progress(stderr, is_terminal(stderr));
  if (world.rank() == 0) {
    options.progress = [&](const ProfileProgress& now) {
      progress.show(fmt::format("profile {}/{}  {}", now.done, now.total, now.what), now.done, now.total);
    };
  }
  const auto start = std::chrono::steady_clock::now();
  const Cluster cluster = profile(world, options);
  const double elapsed_s = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  run_on_all(world, [&] {
    if (world.rank() != 0) return;
    write_file_atomically(arguments.out, cluster_to_yaml(cluster));
    fmt::print("{}", arguments.json ? result_json(cluster, arguments, elapsed_s)
                                    : result_text(cluster, arguments, elapsed_s));
  });
  return 0;
}

int run_profile(const ProfileArguments& arguments) {
  const Backend backend = detect_backend();
  LaunchOptions options{.num_ranks = arguments.ranks, .topology = std::nullopt};
  if (backend == Backend::kLocal && !options.num_ranks) {
    options.num_ranks = std::max(1, static_cast<int>(std::thread::hardware_concurrency()));
  }
  return launch(backend, options, [&](World& world) { return profile_on_rank(world, arguments); });
}

}  // namespace

void add_profile_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("profile", "Measure what every kernel and collective costs on these ranks.");
  verb->footer(
      "Profile as you will train, on the same ranks and back end:\n"
      "  mpirun -np 4 sextant profile --network network.yaml --sequence 128 --out cluster.yaml");
  auto arguments = std::make_shared<ProfileArguments>();
  verb->add_option("--out", arguments->out, "Cluster file to write")->required()->type_name("FILE");
  verb->add_option("--name", arguments->name, "Name of the cluster")->capture_default_str();
  verb->add_option("--network", arguments->networks, "Networks whose kernels are timed; default: usual shapes")
      ->type_name("FILE ...");
  verb->add_option("--sequence", arguments->sequence, "Tokens of a sample")
      ->check(CLI::Range(1, 1 << 30))
      ->capture_default_str();
  verb->add_option("--micro-batch", arguments->micro_batches, "Samples at which kernels are timed; default: 1,2,4,8")
      ->check(CLI::Range(1, 1 << 30))
      ->delimiter(',');
  verb->add_option("--ranks", arguments->ranks, "Number of ranks; default: one a processor, or as launched")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_flag("--quick", arguments->quick, "Fewer sizes and repeats: under a minute for 4 ranks");
  verb->add_flag("--json", arguments->json, "Print one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_profile(*arguments); }; });
}

}  // namespace sextant
