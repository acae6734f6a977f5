#include "profiler/profile.h"

#include <algorithm>
#include <ctime>

#include "models/error.h"
#include "profiler/collective_benchmark.h"
#include "profiler/interference_benchmark.h"
#include "profiler/kernel_benchmark.h"
#include "profiler/latency_benchmark.h"
#include "profiler/processor.h"

namespace sextant {
namespace {

std::string today() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  gmtime_r(&now, &utc);
  char text[sizeof "2026-01-01T00:00:00Z"];
  std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return text;
}

// Everything is measured in this many rounds, minutes apart: a slow phase of the machine then meets a minority.
constexpr int kRounds = 3;

RepeatOptions repeat_options(bool quick) {  // of a round
  return quick ? RepeatOptions{.repeats = 2, .block_time = Seconds(0.02), .max_calls = 200, .most_time = Seconds(0.1)}
               : RepeatOptions{.repeats = 5, .block_time = Seconds(0.025), .max_calls = 400, .most_time = Seconds(0.7)};
}

// Longer blocks: these are differences of times.
RepeatOptions interference_options(bool quick) {
  return {.repeats = quick ? 5 : 11, .block_time = Seconds(0.05), .max_calls = 2000};
}

CollectiveBenchmarkOptions collective_options(bool quick, double cores_per_rank) {
  CollectiveBenchmarkOptions options;
  options.cores_per_rank = cores_per_rank;
  options.repeat = repeat_options(quick);
  options.buffers.emplace_back(32.0);  // the squared norm and the losses of a step
  constexpr double kKiB = 1024.0, kMiB = 1024.0 * kKiB;
  const double factor = quick ? 4.0 : 2.0;
  for (double size = kKiB; size <= 16 * kMiB; size *= factor) options.buffers.emplace_back(size);
  // Where most chunks lie times do not rise evenly.
  for (double size = 32 * kKiB; size <= 256 * kKiB; size *= 2.0) {
    for (const double more : {1.0, 1.5, 2.0}) options.buffers.emplace_back(more * size);
  }
  std::ranges::sort(options.buffers);
  options.buffers.erase(std::unique(options.buffers.begin(), options.buffers.end()), options.buffers.end());
  return options;
}

KernelBenchmarkOptions kernel_options(const ProfileOptions& options) {
  KernelBenchmarkOptions result;
  result.networks = options.networks.empty() ? reference_networks() : options.networks;
  result.sequences = options.sequences;
  result.micro_batches = options.micro_batches.empty() ? std::vector<std::int64_t>{1, 2, 4, 8} : options.micro_batches;
  std::sort(result.micro_batches.begin(), result.micro_batches.end());
  result.degrees = options.quick ? std::vector<int>{1, 2, 4, 8} : std::vector<int>{1, 2, 3, 4, 6, 8, 12, 16};
  result.repeat = repeat_options(options.quick);
  return result;
}

// Best rate over the timed kernels: what this rank's processor gives real products.
DeviceSpec device_spec(const std::vector<KernelSeries>& kernels, int element_bytes, Bytes memory) {
  DeviceSpec spec{.peak = {}, .memory_bandwidth = {}, .memory = memory};
  for (const KernelSeries& series : kernels) {
    for (const KernelPoint& point : series.points) {
      KernelWork work{series.op, series.pass, series.shape};
      work.shape.rows = point.rows;
      const KernelCounts counts = count(work, element_bytes);
      spec.peak = std::max(spec.peak, counts.flops / point.time.median);
      if (series.op == Operator::kOptimizer) {
        spec.memory_bandwidth = std::max(spec.memory_bandwidth, counts.bytes / point.time.median);
      }
    }
  }
  return spec;
}

Network reference_network(std::int64_t model_dim, std::int64_t hidden_dim, ExpertKind kind) {
  Network network;
  network.name = fmt::format("reference_{}_{}_{}", model_dim, hidden_dim, to_text(kind));
  network.layers = 1;
  network.model_dim = model_dim;
  network.heads = 8;
  network.kv_heads = 8;
  network.head_dim = model_dim / 8;
  network.expert_kind = kind;
  network.expert_hidden_dim = hidden_dim;
  network.num_experts = 8;
  network.top_k = 2;
  network.capacity_factor = 1.0;
  return network;
}

}  // namespace

std::vector<Network> reference_networks() {
  return {reference_network(128, 256, ExpertKind::kSwiglu), reference_network(256, 1024, ExpertKind::kGelu),
          reference_network(512, 1024, ExpertKind::kSwiglu)};
}

Cluster profile(World& world, const ProfileOptions& options) {
  const double cores_per_rank = measure_cores_per_rank(world, interference_options(options.quick));
  InterferenceBenchmark interference(world.topology(), cores_per_rank, interference_options(options.quick));
  CollectiveBenchmark collectives(world.topology(), collective_options(options.quick, cores_per_rank));
  KernelBenchmark kernels(world.topology(), kernel_options(options));
  const int of_a_round = 1 + collectives.num_measurements() + kernels.num_measurements();
  ProfileProgress progress{0, 1 + kRounds * of_a_round, {}};
  const auto on_measurement = [&](const std::string& what) {
    progress.what = what;
    if (options.progress) options.progress(progress);
    ++progress.done;
  };
  Cluster cluster;
  cluster.name = options.name;
  cluster.source = fmt::format("measured by sextant profile{}", options.quick ? " --quick" : "");
  cluster.topology = world.topology();
  cluster.backend = world.backend();
  cluster.machine = world.device().description();
  cluster.date = today();
  on_measurement("launch latency");
  cluster.launch_latency = measure_launch_latency(world, 100, options.quick ? 7 : 21);
  for (int round = 0; round < kRounds; ++round) {
    on_measurement("waiting at collectives, work beside them");
    interference.run_round(world);
    collectives.run_round(world, on_measurement);
    kernels.run_round(world, on_measurement);
  }
  cluster.synchronization = interference.synchronization();
  cluster.contention = interference.contention();
  cluster.collectives = collectives.series();
  cluster.kernels = kernels.series();
  cluster.device = device_spec(cluster.kernels, cluster.element_bytes, world.device().memory());
  fit_cluster(cluster);
  progress.done = progress.total;
  progress.what = "done";
  if (options.progress) options.progress(progress);
  return cluster;
}

}  // namespace sextant
