// Time of the gradient partition: the exact one for networks of 7 to 64 layers on the FSMoE testbeds, with the
// pricing of its problem and alone, and the paper's two steps.
#include <numeric>

#include <benchmark/benchmark.h>

#include "models/cluster.h"
#include "planner/fsmoe_step2.h"
#include "planner/gradient_partition.h"
#include "planner/gradient_partition_exact.h"
#include "planner/schedule_planner.h"
#include "tests/planner/fsmoe_step.h"

namespace sextant {
namespace {

struct Bench {
  explicit Bench(const benchmark::State& state, Policy p = Policy::kFsmoe)
      : costs(make_cost_model(fsmoe_testbed(state.range(0) == 0 ? 'a' : 'b'))),
        step(fsmoe_step(state.range(0) == 0 ? 'a' : 'b', static_cast<int>(state.range(1)))),
        policy(p),
        degrees(16) {
    std::iota(degrees.begin(), degrees.end(), 1);
  }
  [[nodiscard]] PartitionProblem problem() const { return partition_problem(step, *costs, policy, degrees); }

  std::unique_ptr<CostModel> costs;
  StepShape step;
  Policy policy;
  std::vector<int> degrees;
};

void exact(benchmark::State& state) {
  const Bench bench(state);
  const PartitionProblem problem = bench.problem();
  ExactPartition answer;
  for (auto _ : state) benchmark::DoNotOptimize(answer = partition_exactly(problem));
  state.counters["states"] = answer.states;
  state.counters["gap_percent"] = 100.0 * answer.gap();
  state.counters["time_ms"] = 1e3 * answer.time.value();
}

void priced_and_exact(benchmark::State& state) {
  const Bench bench(state);
  for (auto _ : state) benchmark::DoNotOptimize(partition_exactly(bench.problem()));
}

void step1(benchmark::State& state) {
  const Bench bench(state);
  const PartitionProblem problem = bench.problem();
  for (auto _ : state) benchmark::DoNotOptimize(partition_greedily(problem));
  state.counters["time_ms"] = 1e3 * backward_time(problem, partition_greedily(problem)).value();
}

void step2(benchmark::State& state) {
  const Bench bench(state);
  const PartitionProblem problem = bench.problem();
  Step2Result answer;
  for (auto _ : state) benchmark::DoNotOptimize(answer = fsmoe_step2(problem));
  state.counters["variables"] = answer.variables;
  state.counters["evaluations"] = answer.evaluations;
  state.counters["time_ms"] = 1e3 * answer.time.value();
}

void schedule(benchmark::State& state) {
  const Bench bench(state);
  for (auto _ : state) benchmark::DoNotOptimize(plan_schedule(bench.step, *bench.costs, bench.policy, {}));
}

void sizes(benchmark::internal::Benchmark* benchmark) {
  benchmark->ArgNames({"testbed", "layers"})->ArgsProduct({{0, 1}, {7, 33, 61, 64}})->Unit(benchmark::kMicrosecond);
}
BENCHMARK(exact)->Apply(sizes);
BENCHMARK(priced_and_exact)->Apply(sizes);
BENCHMARK(step1)->Apply(sizes);
BENCHMARK(step2)->Apply(sizes);
BENCHMARK(schedule)->Apply(sizes);

}  // namespace
}  // namespace sextant

BENCHMARK_MAIN();
