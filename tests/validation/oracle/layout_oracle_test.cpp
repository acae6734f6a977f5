// The oracle: training under any layout, policy and pair of pipeline degrees, and under any issue order that
// a search can find, is the same computation as training on one rank without a pipeline. 10 steps; every
// step's loss to 1e-5, gradients to 1e-4.
//
// Capacity is counted per source rank, so what is dropped depends on the layout: the reference counts it
// by the same partition of the tokens (SourcePartition). Everything else must agree by itself.
#include <algorithm>
#include <cmath>
#include <map>
#include <random>
#include <string>
#include <tuple>
#include <vector>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "planner/fixed_chunks.h"
#include "planner/gradient_partition.h"
#include "planner/list_scheduler.h"
#include "planner/order_search.h"
#include "planner/schedule.h"
#include "planner/schedule_planner.h"
#include "tests/executor/training_run.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {
namespace {

constexpr int kSteps = 10;
constexpr std::uint64_t kSeed = 11;
constexpr double kLossTolerance = 1e-5;
constexpr double kGradientTolerance = 1e-4;
constexpr std::int64_t kSamples = 4;  // of a micro-batch, all replicas

// A set of cases: which network, and which pairs of degrees are tried.
struct Variant {
  const char* name;
  ExpertKind expert_kind;
  double capacity_factor;
  int num_micro_batches;
  int max_nodes;  // of four ranks: 2 gives 2 x 2, 1 gives 1 x 4
  bool all_degrees;
  bool drops;
  int layers = 2;
};

// At capacity factor E / k every expert has room for every token. At 0.7 a rank of four has 3 rows per
// expert, so that chunks are uneven and, of four chunks, one is empty.
constexpr Variant kDrops{"drops", ExpertKind::kSwiglu, 0.7, 1, 2, true, true};
constexpr Variant kKeepsAll{"keeps_all", ExpertKind::kGelu, 2.0, 1, 1, true, false};
constexpr Variant kTwoMicroBatches{"two_micro_batches", ExpertKind::kSwiglu, 0.7, 2, 2, false, true};
constexpr Variant kSearchedOrders{"searched", ExpertKind::kSwiglu, 0.7, 3, 2, false, true, 4};

Network oracle_network(const Variant& variant) {
  Network network;
  network.name = "oracle";
  network.vocabulary = 19;
  network.layers = variant.layers;
  network.model_dim = 16;
  network.heads = 8;
  network.kv_heads = 4;
  network.head_dim = 4;
  network.expert_kind = variant.expert_kind;
  network.expert_hidden_dim = 24;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = variant.capacity_factor;
  network.aux_loss_coefficient = 0.05;
  return network;
}

StepShape oracle_step(const Variant& variant, const ParallelLayout& layout) {
  return {.network = oracle_network(variant),
          .layout = layout,
          .micro_batch = kSamples / layout.degrees().dp,
          .num_micro_batches = variant.num_micro_batches,
          .sequence = 8};
}

TrainingCase training_case(const StepShape& step, Schedule schedule, SourcePartition sources) {
  return {.step = step,
          .schedule = std::move(schedule),
          .sources = sources,
          .optimizer = {.learning_rate = 3e-3, .min_learning_rate = 3e-4, .warmup_steps = 3, .total_steps = kSteps},
          .steps = kSteps,
          .seed = kSeed};
}

// The single-rank run that counts capacity as dp x tp sources.
const std::vector<TrainingStep>& reference(const Variant& variant, SourcePartition sources) {
  static std::map<std::tuple<std::string, int, int>, std::vector<TrainingStep>> cache;
  const auto [entry, is_new] = cache.try_emplace({variant.name, sources.dp, sources.tp});
  if (is_new) {
    const StepShape step = oracle_step(variant, ParallelLayout({}, {1, 1}));
    entry->second = run_training<float>(training_case(step, plain_schedule(step, Policy::kSequential), sources));
  }
  return entry->second;
}

// Largest difference of a tensor's elements, in parts of its largest element.
double relative_difference(const std::vector<double>& values, const std::vector<double>& expected) {
  double difference = 0.0;
  double largest = 0.0;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    difference = std::max(difference, std::abs(values[i] - expected[i]));
    largest = std::max(largest, std::abs(expected[i]));
  }
  return difference == 0.0 ? 0.0 : difference / largest;
}

// The worst agreement seen, printed at the end: how far the tolerances are.
struct Worst {
  double loss = 0.0;
  double gradient = 0.0;
};
Worst& worst() {
  static Worst values;
  return values;
}

class PrintWorst : public testing::Environment {
 public:
  void TearDown() override {
    fmt::print("largest relative difference: loss {:.1e}, gradient {:.1e}\n", worst().loss, worst().gradient);
  }
};
const testing::Environment* const kPrintWorst = testing::AddGlobalTestEnvironment(new PrintWorst);

void expect_same_step(const TrainingStep& step, const TrainingStep& expected) {
  worst().loss = std::max(worst().loss, std::abs(step.result.loss / expected.result.loss - 1.0));
  EXPECT_NEAR(step.result.loss, expected.result.loss, kLossTolerance * expected.result.loss);
  EXPECT_NEAR(step.result.auxiliary_loss, expected.result.auxiliary_loss, kLossTolerance);
  EXPECT_NEAR(step.result.gradient_norm, expected.result.gradient_norm,
              kGradientTolerance * expected.result.gradient_norm);
  EXPECT_NEAR(step.dropped_fraction, expected.dropped_fraction, 1e-12);
  ASSERT_EQ(step.gradients.size(), expected.gradients.size());
  for (const auto& [name, gradient] : expected.gradients) {
    const double difference = relative_difference(step.gradients.at(name), gradient);
    worst().gradient = std::max(worst().gradient, difference);
    EXPECT_LE(difference, kGradientTolerance) << name;
  }
}

// Costs under which gradients are cut into slices of many sizes that fill every kind of slot.
FakeCostModel partitioning_costs() {
  return {[](const KernelWork&) { return Seconds(100e-6); },
          [](const CollectiveWork& work) { return Seconds(5e-6) + work.buffer * SecondsPerByte(20e-9); }};
}

// Slices as the planner makes them: by all its means, or by the paper's windows alone. Lina's chunks are
// far above this network's gradients, so here they are smaller.
std::vector<GradientSlice> make_slices(const StepShape& step, Policy policy, const std::vector<LayerDegrees>& degrees) {
  const FakeCostModel costs = partitioning_costs();
  if (policy == Policy::kLina) return fixed_chunk_slices(step, costs, degrees, Bytes(3000.0));
  const bool partitions = policy == Policy::kFsmoe || policy == Policy::kFsmoeNoIio;
  const bool by_windows = (degrees.front().forward + degrees.front().backward) % 2 == 1;
  if (partitions && by_windows) return partition_greedily(step, costs, gradient_windows(step, costs, policy, degrees));
  return plan_schedule(step, costs, policy, {}).gradients;
}

Schedule make_schedule(const StepShape& step, Policy policy, LayerDegrees degrees) {
  Schedule schedule = plain_schedule(step, policy);
  for (std::size_t layer = 0; layer < schedule.degrees.size(); ++layer) {
    const bool swapped = layer % 2 == 1;
    schedule.degrees[layer] = swapped ? LayerDegrees{degrees.backward, degrees.forward} : degrees;
  }
  schedule.gradients = make_slices(step, policy, schedule.degrees);
  return schedule;
}

std::vector<LayerDegrees> degrees_of(const Variant& variant) {
  if (!variant.all_degrees) return {{1, 1}, {3, 2}, {2, 4}};
  std::vector<LayerDegrees> pairs;
  for (int forward = 1; forward <= 4; ++forward) {
    for (int backward = 1; backward <= 4; ++backward) pairs.push_back({forward, backward});
  }
  return pairs;
}

Topology topology_of(const Variant& variant, int num_ranks) {
  const int nodes = std::min(variant.max_nodes, num_ranks);
  return {.nodes = nodes, .devices_per_node = num_ranks / nodes};
}

std::vector<ParallelDegrees> all_degrees(int num_ranks) {
  std::vector<ParallelDegrees> all;
  for (int tp = 1; tp <= num_ranks; tp *= 2) {
    for (int ep = 1; ep <= num_ranks; ep *= 2) {
      for (int esp = 1; ep * esp <= num_ranks; esp *= 2) {
        all.push_back({.dp = num_ranks / tp, .tp = tp, .edp = num_ranks / (ep * esp), .ep = ep, .esp = esp});
      }
    }
  }
  return all;
}

struct OracleCase {
  ParallelDegrees degrees;
  Policy policy;
  Variant variant;
};

std::vector<OracleCase> all_cases() {
  std::vector<OracleCase> cases;
  for (const Variant& variant : {kDrops, kKeepsAll, kTwoMicroBatches}) {
    for (const int num_ranks : {1, 2, 4}) {
      for (const ParallelDegrees& degrees : all_degrees(num_ranks)) {
        for (const Policy policy : published_policies()) cases.push_back({degrees, policy, variant});
      }
    }
  }
  return cases;
}

std::string name_of(const testing::TestParamInfo<OracleCase>& test_case) {
  const ParallelDegrees& d = test_case.param.degrees;
  return fmt::format("{}_dp{}_tp{}_edp{}_ep{}_esp{}_{}", test_case.param.variant.name, d.dp, d.tp, d.edp, d.ep, d.esp,
                     to_text(test_case.param.policy));
}

class LayoutOracle : public testing::TestWithParam<OracleCase> {};

TEST_P(LayoutOracle, EqualsTheSingleRankRunWithoutPipeline) {
  const OracleCase& c = GetParam();
  const int num_ranks = c.degrees.dp * c.degrees.tp;
  const StepShape step = oracle_step(c.variant, ParallelLayout(c.degrees, topology_of(c.variant, num_ranks)));
  const std::vector<TrainingStep>& expected = reference(c.variant, {c.degrees.dp, c.degrees.tp});
  EXPECT_EQ(expected.front().dropped_fraction > 0.0, c.variant.drops);
  for (const LayerDegrees& degrees : degrees_of(c.variant)) {
    const std::vector<TrainingStep> steps =
        run_training<float>(training_case(step, make_schedule(step, c.policy, degrees), {}));
    for (std::size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(fmt::format("r_fwd {} r_bwd {} step {}", degrees.forward, degrees.backward, i));
      expect_same_step(steps[i], expected[i]);
      if (testing::Test::HasFailure()) return;
    }
  }
}

// ---- searched orders ----

// What the search found on costs that hide nothing by themselves, its gradients cut small.
Schedule found_schedule(const StepShape& step) {
  return search_order(step, partitioning_costs(), {.schedule = {.max_degree = 4}, .memory = std::nullopt}).schedule;
}

// Both extensions at once, gradients in many chunks, in an order that only the dependencies restrain: a
// list schedule by random urgencies. Any order that a search may ever return is of this kind.
Schedule random_order(const StepShape& step, LayerDegrees degrees, unsigned seed) {
  Schedule schedule = make_schedule(step, Policy::kFsmoe, degrees);
  schedule.policy = Policy::kSearched;
  schedule.gradients = gradient_chunks(step, Bytes(700.0));
  schedule.overlap = {.split_expert_backward = seed % 3 != 0,
                      .micro_batches_in_flight = 1 + static_cast<int>(seed % 4 != 0)};
  const TaskGraph graph = build_step_graph(step, schedule);
  std::mt19937 random(seed);
  ListPriorities priorities{task_seconds(graph, partitioning_costs()), {}};
  for (std::size_t i = 0; i < graph.tasks.size(); ++i) {
    priorities.urgency.push_back(std::uniform_real_distribution<double>(0.0, 1.0)(random));
  }
  schedule.order = list_schedule(graph, priorities, Seconds(0.0));
  return schedule;
}

class SearchedOrderOracle : public testing::TestWithParam<OracleCase> {};

TEST_P(SearchedOrderOracle, EqualsTheSingleRankRunWithoutPipeline) {
  const OracleCase& c = GetParam();
  const int num_ranks = c.degrees.dp * c.degrees.tp;
  const StepShape step = oracle_step(c.variant, ParallelLayout(c.degrees, topology_of(c.variant, num_ranks)));
  const std::vector<TrainingStep>& expected = reference(c.variant, {c.degrees.dp, c.degrees.tp});
  std::vector<Schedule> schedules{found_schedule(step)};
  unsigned seed = 0;
  for (const LayerDegrees& degrees : std::vector<LayerDegrees>{{1, 1}, {3, 2}, {2, 4}, {4, 3}, {2, 2}, {1, 3}}) {
    schedules.push_back(random_order(step, degrees, ++seed));
  }
  for (std::size_t s = 0; s < schedules.size(); ++s) {
    const std::vector<TrainingStep> steps = run_training<float>(training_case(step, schedules[s], {}));
    for (std::size_t i = 0; i < steps.size(); ++i) {
      SCOPED_TRACE(fmt::format("schedule {} (0: found, else the seed of its order) step {}", s, i));
      expect_same_step(steps[i], expected[i]);
      if (testing::Test::HasFailure()) return;
    }
  }
}

std::vector<OracleCase> searched_cases() {
  std::vector<OracleCase> cases;
  for (const int num_ranks : {1, 2, 4}) {
    for (const ParallelDegrees& degrees : all_degrees(num_ranks)) {
      cases.push_back({degrees, Policy::kSearched, kSearchedOrders});
    }
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(, SearchedOrderOracle, testing::ValuesIn(searched_cases()), name_of);
INSTANTIATE_TEST_SUITE_P(, LayoutOracle, testing::ValuesIn(all_cases()), name_of);

}  // namespace
}  // namespace sextant
