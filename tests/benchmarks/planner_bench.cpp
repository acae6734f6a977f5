// How long the planner thinks: pipeline degrees of one layer, degrees and gradient partition of a network.
#include <iterator>
#include <numeric>
#include <string>
#include <vector>

#include <benchmark/benchmark.h>

#include "models/cluster.h"
#include "models/step_estimate.h"
#include "planner/fsmoe_algorithm1.h"
#include "planner/gradient_partition_exact.h"
#include "planner/order_search.h"
#include "planner/pipeline_degree.h"
#include "planner/schedule_planner.h"
#include "planner/setup_search.h"
#include "planner/setup_space.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

constexpr int kMaxDegree = 16;

// `layers` layers of the size of Mixtral-8x7B, one expert a node, on testbed A of the FSMoE paper.
struct Job {
  Cluster cluster = load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/fsmoe_testbed_a.yaml");
  std::unique_ptr<CostModel> costs = make_cost_model(cluster);
  StepShape step;

  explicit Job(int layers)
      : step{.network = {.name = "mixtral",
                         .vocabulary = 32000,
                         .layers = layers,
                         .model_dim = 4096,
                         .heads = 32,
                         .kv_heads = 8,
                         .head_dim = 128,
                         .expert_kind = ExpertKind::kSwiglu,
                         .expert_hidden_dim = 14336,
                         .num_experts = 6,
                         .top_k = 2,
                         .capacity_factor = 1.2},
             .layout = ParallelLayout({.dp = 6, .tp = 8, .ep = 6, .esp = 8}, {.nodes = 6, .devices_per_node = 8}),
             .micro_batch = 1,
             .num_micro_batches = 1,
             .sequence = 1024,
             .element_bytes = 4} {}

  [[nodiscard]] ChunkTimes chunk(int degree) const { return chunk_times(step, *costs, Pass::kBackward, degree); }
};

// Degrees 1 to 16 priced by the cost model and evaluated exactly. Aim: below 20 us.
void ExactDegreeOfOneLayer(benchmark::State& state) {
  const Job job(1);
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        choose_degree([&](int degree) { return job.chunk(degree); }, kMaxDegree, {}, BlockQueues::kThree));
  }
}
BENCHMARK(ExactDegreeOfOneLayer)->Unit(benchmark::kMicrosecond);

// The published algorithm, its lines given. The paper: 193 ms with SciPy.
void SlsqpDegreeOfOneLayer(benchmark::State& state) {
  const Job job(1);
  const BlockLines lines = block_lines([&](int degree) { return job.chunk(degree); }, kMaxDegree);
  for (auto _ : state) benchmark::DoNotOptimize(find_optimal_pipeline_degree(lines, Seconds(0.0), kMaxDegree));
}
BENCHMARK(SlsqpDegreeOfOneLayer)->Unit(benchmark::kMicrosecond);

std::vector<int> degrees_up_to(int max_degree) {
  std::vector<int> degrees(static_cast<std::size_t>(max_degree));
  std::iota(degrees.begin(), degrees.end(), 1);
  return degrees;
}

// Forward degree, then backward degrees and gradient slices of all layers together. Aim for 61 layers: below 5 ms.
void DegreesAndPartition(benchmark::State& state) {
  const Job job(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(
        choose_degree([&](int degree) { return chunk_times(job.step, *job.costs, Pass::kForward, degree); }, kMaxDegree,
                      {}, BlockQueues::kThree));
    const PartitionProblem problem = partition_problem(job.step, *job.costs, Policy::kFsmoe, degrees_up_to(kMaxDegree));
    benchmark::DoNotOptimize(partition_exactly(problem));
  }
}
BENCHMARK(DegreesAndPartition)->Arg(1)->Arg(32)->Arg(61)->Unit(benchmark::kMillisecond);

// What the search does for one layout and policy.
void PlanSchedule(benchmark::State& state) {
  const Job job(61);
  for (auto _ : state) {
    benchmark::DoNotOptimize(plan_schedule(job.step, *job.costs, Policy::kFsmoe, {.max_degree = kMaxDegree}));
  }
}
BENCHMARK(PlanSchedule)->Unit(benchmark::kMillisecond);

// The best issue order of one layout, from fsmoe's schedule.
void SearchOrder(benchmark::State& state) {
  const Job job(static_cast<int>(state.range(0)));
  for (auto _ : state) {
    benchmark::DoNotOptimize(search_order(job.step, *job.costs, {.schedule = {}, .memory = std::nullopt}));
  }
}
BENCHMARK(SearchOrder)->Arg(4)->Arg(61)->Unit(benchmark::kMillisecond);

void BuildAndSimulateAStep(benchmark::State& state) {
  const Job job(61);
  const Schedule schedule = plan_schedule(job.step, *job.costs, Policy::kFsmoe, {.max_degree = kMaxDegree});
  for (auto _ : state) benchmark::DoNotOptimize(simulate(build_step_graph(job.step, schedule), *job.costs));
}
BENCHMARK(BuildAndSimulateAStep)->Unit(benchmark::kMillisecond);

// Setups in the bound of the search over them, one by one: Mixtral-8x22B on 1,024 H100 with every dispatch, schedule
// and overlap of one grid, one thread. Aim: 100,000 a second.
void BoundSetups(benchmark::State& state) {
  const SetupRequest request{.network = load_network(SEXTANT_SOURCE_DIR "/configs/networks/mixtral_8x22b.yaml"),
                             .global_batch = 1024,
                             .sequence = 4096,
                             .topology = {.nodes = 128, .devices_per_node = 8}};
  Cluster cluster = load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/dgx_h100.yaml");
  cluster.topology = request.topology;
  TrainingSetup setup;
  setup.sequence = request.sequence;
  setup.degrees = {.pp = 8, .dp = 64, .cp = 1, .tp = 2, .edp = 16, .ep = 8, .esp = 1};
  setup.num_micro_batches = request.global_batch / setup.degrees.dp;
  const std::vector<Exchange> exchanges = SetupSpace(request).exchanges(setup);
  for (auto _ : state) {
    for (const Exchange& exchange : exchanges) {
      set_exchange(setup, exchange);
      benchmark::DoNotOptimize(estimate_even_step(request.network, setup, cluster, {}, ChunkCosts::kLeast));
    }
  }
  state.SetItemsProcessed(state.iterations() * std::ssize(exchanges));
}
BENCHMARK(BoundSetups)->Unit(benchmark::kMicrosecond);

// The fastest setup of Mixtral-8x22B on 1,024 H100 and of DeepSeek-V3 on 16,384, one thread. Aim: below 1 s.
void SearchSetups(benchmark::State& state, const char* network) {
  SetupRequest request{
      .network = load_network(std::string(SEXTANT_SOURCE_DIR "/configs/networks/") + network + ".yaml"),
      .global_batch = 8 * state.range(0),
      .sequence = 4096,
      .topology = {.nodes = static_cast<int>(state.range(0)), .devices_per_node = 8},
      .threads = 1};
  const Cluster cluster = load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/dgx_h100.yaml");
  for (auto _ : state) benchmark::DoNotOptimize(search_setups(request, cluster));
}
BENCHMARK_CAPTURE(SearchSetups, mixtral_8x22b, "mixtral_8x22b")->Arg(128)->Unit(benchmark::kMillisecond);
BENCHMARK_CAPTURE(SearchSetups, deepseek_v3, "deepseek_v3")->Arg(2048)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace sextant

BENCHMARK_MAIN();
