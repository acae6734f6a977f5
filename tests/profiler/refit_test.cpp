#include "profiler/refit.h"

#include <algorithm>

#include <gtest/gtest.h>

#include "planner/schedule.h"
#include "planner/simulator.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

constexpr double kMs = 1e-3;

// Two layers on two nodes of two ranks, the first with whole experts, the second with two chunks.
Plan two_layer_plan(Policy policy, const std::vector<LayerDegrees>& degrees) {
  const StepShape step = small_step(2);
  return {.step = step,
          .schedule = {.policy = policy, .degrees = degrees, .gradients = whole_unit_slices(step, policy)},
          .prediction = {},
          .network_hash = {},
          .cluster_hash = {},
          .cluster_name = {}};
}

MeasuredPoint point(double time_s) {
  return {.median = Seconds(time_s), .low = Seconds(time_s), .high = Seconds(time_s), .repeats = 5};
}

// Kernels of 4 ms and collectives of 2 ms at the sizes of `plan`'s largest tasks, in proportion below.
Cluster cluster_for(const Plan& plan) {
  Cluster cluster;
  cluster.topology = plan.step.layout.topology();
  cluster.source = "made up";
  cluster.device = {.peak = FlopsPerSecond(1e12), .memory_bandwidth = BytesPerSecond(1e11), .memory = Bytes(1e10)};
  for (const Task& task : build_step_graph(plan.step, plan.schedule).tasks) {
    if (const auto* kernel = std::get_if<KernelWork>(&task.work)) {
      KernelSeries series{kernel->op, kernel->pass, kernel->shape, {}};
      series.shape.rows = 0;
      const auto same = [&](const KernelSeries& other) {
        return other.op == series.op && other.pass == series.pass && other.shape == series.shape;
      };
      if (std::any_of(cluster.kernels.begin(), cluster.kernels.end(), same)) continue;
      series.points = {{.rows = kernel->shape.rows, .time = point(4 * kMs)},
                       {.rows = 2 * kernel->shape.rows, .time = point(8 * kMs)}};
      cluster.kernels.push_back(series);
    } else {
      const auto& work = std::get<CollectiveWork>(task.work);
      const auto same = [&](const CollectiveSeries& other) { return other.op == work.op && other.group == work.group; };
      if (std::any_of(cluster.collectives.begin(), cluster.collectives.end(), same)) continue;
      cluster.collectives.push_back({.op = work.op,
                                     .group = work.group,
                                     .points = {{.buffer = work.buffer, .time = point(2 * kMs)},
                                                {.buffer = 2.0 * work.buffer, .time = point(4 * kMs)}},
                                     .line = {},
                                     .source = ""});
    }
  }
  fit_cluster(cluster);
  return cluster;
}

// Every rank sees what is simulated on `truth`.
MeasuredStep run_on(const Plan& plan, const Cluster& truth) {
  const Timeline timeline = simulate(build_step_graph(plan.step, plan.schedule), *make_cost_model(truth));
  return {.run = "run",
          .date = "2026-01-01T00:00:00Z",
          .ranks = std::vector<Timeline>(4, timeline),
          .mean_step_time = timeline.makespan()};
}

void slow_down_experts(Cluster& cluster, double factor) {
  for (KernelSeries& series : cluster.kernels) {
    if (series.op != Operator::kExpert) continue;
    for (KernelPoint& each : series.points) each.time = point(factor * each.time.median.value());
  }
}

void set_contention(Cluster& cluster, double factor) {
  cluster.contention = {{.victim = Resource::kIntra, .aggressor = Resource::kCompute, .factor = factor},
                        {.victim = Resource::kInter, .aggressor = Resource::kCompute, .factor = factor}};
}

Seconds expert_time(const Cluster& cluster, const Plan& plan, std::int64_t rows) {
  return make_cost_model(cluster)->kernel(expert_work(plan.step, Pass::kForward, rows)).time;
}

void expect_near(Seconds value, Seconds expected) {
  EXPECT_NEAR(value.value(), expected.value(), 0.01 * expected.value());
}

// Whatever the schedule: overlapping, in one queue, with whole and cut experts.
class RefitOf : public testing::TestWithParam<Plan> {};

TEST_P(RefitOf, ARunAsPredictedChangesNothing) {
  Cluster cluster = cluster_for(GetParam());
  set_contention(cluster, 1.5);
  cluster.synchronization = Seconds(0.3 * kMs);
  cluster.launch_latency = Seconds(0.02 * kMs);
  for (CollectiveSeries& series : cluster.collectives) {
    for (CollectivePoint& each : series.points) each.compute_share = 0.3;
  }
  const Refit result = refit(GetParam(), cluster, run_on(GetParam(), cluster));
  EXPECT_EQ(result.cluster, cluster);
  EXPECT_FALSE(result.most_wrong());
  EXPECT_EQ(result.before, result.after);
  EXPECT_FALSE(result.is_worse());
}

TEST_P(RefitOf, SlowerExpertsAndContentionAreRecovered) {
  Cluster cluster = cluster_for(GetParam());
  set_contention(cluster, 1.5);
  Cluster truth = cluster;
  slow_down_experts(truth, 1.3);
  set_contention(truth, 2.0);
  const Refit result = refit(GetParam(), cluster, run_on(GetParam(), truth));
  expect_near(expert_time(result.cluster, GetParam(), 240), expert_time(truth, GetParam(), 240));
  expect_near(expert_time(result.cluster, GetParam(), 120), expert_time(truth, GetParam(), 120));
  const bool overlaps = GetParam().schedule.policy != Policy::kSequential;
  for (const Contention& pair : result.cluster.contention) EXPECT_NEAR(pair.factor, overlaps ? 2.0 : 1.5, 0.02);
  expect_near(result.after, result.measured);
  EXPECT_TRUE(result.most_wrong());
}

TEST_P(RefitOf, EverythingElseStays) {
  const Cluster cluster = cluster_for(GetParam());
  Cluster truth = cluster;
  slow_down_experts(truth, 1.3);
  const Refit result = refit(GetParam(), cluster, run_on(GetParam(), truth));
  EXPECT_EQ(result.cluster.collectives, cluster.collectives);
  EXPECT_EQ(result.cluster.synchronization, cluster.synchronization);
  for (std::size_t i = 0; i < cluster.kernels.size(); ++i) {
    if (cluster.kernels[i].op == Operator::kExpert) continue;
    EXPECT_EQ(result.cluster.kernels[i], cluster.kernels[i]);
  }
  ASSERT_TRUE(result.most_wrong());
  EXPECT_EQ(result.most_wrong()->name.substr(0, 6), "expert");
}

INSTANTIATE_TEST_SUITE_P(Schedules, RefitOf,
                         testing::Values(two_layer_plan(Policy::kSequential, {{1, 1}, {1, 1}}),
                                         two_layer_plan(Policy::kTutelImproved, {{1, 1}, {2, 2}}),
                                         two_layer_plan(Policy::kTutelImproved, {{2, 2}, {2, 2}}),
                                         two_layer_plan(Policy::kFsmoe, {{1, 2}, {3, 2}})));

const Plan kOverlapping = two_layer_plan(Policy::kTutelImproved, {{1, 1}, {2, 2}});
const Plan kSequentialPlan = two_layer_plan(Policy::kSequential, {{1, 1}, {1, 1}});

TEST(Refit, TheComputeThatCollectivesTakeIsFoundFromKernelsBesideThem) {
  Cluster cluster = cluster_for(kOverlapping);
  Cluster truth = cluster;
  for (Cluster* each : {&cluster, &truth}) {
    for (CollectiveSeries& series : each->collectives) {
      for (CollectivePoint& one : series.points) one.compute_share = each == &truth ? 0.6 : 0.3;
    }
  }
  const Refit result = refit(kOverlapping, cluster, run_on(kOverlapping, truth));
  EXPECT_NEAR(result.cluster.collectives.front().points.front().compute_share, 0.6, 0.006);
  ASSERT_TRUE(result.most_wrong());
  EXPECT_EQ(result.most_wrong()->name, "compute that collectives take, factor");
}

TEST(Refit, ADelayShrinksWhereNoFactorExplainsTheRun) {
  Cluster cluster = cluster_for(kOverlapping);
  Cluster truth = cluster;
  set_contention(cluster, 1.2);
  for (Contention& pair : cluster.contention) pair.delay = Seconds(4 * kMs);
  set_contention(truth, 1.0);
  for (Contention& pair : truth.contention) pair.delay = Seconds(1 * kMs);
  const Refit result = refit(kOverlapping, cluster, run_on(kOverlapping, truth));
  for (const Contention& pair : result.cluster.contention) {
    EXPECT_EQ(pair.factor, 1.0);
    EXPECT_NEAR(pair.delay.value(), 1 * kMs, 0.01 * kMs);
  }
}

TEST(Refit, WaitingIsTheMeanOverRanksThatComeAtDifferentTimes) {
  // Ranks 1 and 2 end the task before each collective 0.4 ms later, so that one rank of each pair waits so long: 0.2 ms
  // on average, and the step takes what it took with 0.4 ms of waiting at every collective.
  const Cluster cluster = cluster_for(kSequentialPlan);
  Cluster truth = cluster;
  truth.synchronization = Seconds(0.4 * kMs);
  MeasuredStep step = run_on(kSequentialPlan, truth);
  const TaskGraph graph = build_step_graph(kSequentialPlan.step, kSequentialPlan.schedule);
  const std::vector<TaskId> order = topological_order(graph);
  for (const std::size_t rank : {1U, 2U}) {
    for (std::size_t i = 1; i < order.size(); ++i) {
      const auto id = static_cast<std::size_t>(order[i]);
      if (std::holds_alternative<KernelWork>(graph.tasks[id].work)) continue;
      const auto previous = static_cast<std::size_t>(order[i - 1]);
      step.ranks[rank].spans[id].start += truth.synchronization;
      step.ranks[rank].spans[previous].end += truth.synchronization;
    }
  }
  const Refit result = refit(kSequentialPlan, cluster, step);
  EXPECT_LT(result.cluster.synchronization, 0.3 * Seconds(kMs));
  EXPECT_GT(result.cluster.synchronization, 0.1 * Seconds(kMs));
  expect_near(result.after, result.measured);
}

TEST(Refit, WaitsForACoreGoBackToTheKernels) {
  // Ranks 0 and 3 run every kernel before a collective 2 ms shorter than predicted and wait 2 ms longer there, one in
  // each pair, as if two ranks took turns on a core. The step is as predicted, and so stays the cluster.
  const Cluster cluster = cluster_for(kSequentialPlan);
  MeasuredStep step = run_on(kSequentialPlan, cluster);
  const TaskGraph graph = build_step_graph(kSequentialPlan.step, kSequentialPlan.schedule);
  const std::vector<TaskId> order = topological_order(graph);
  for (std::size_t i = 1; i < order.size(); ++i) {
    const auto id = static_cast<std::size_t>(order[i]);
    const auto previous = static_cast<std::size_t>(order[i - 1]);
    if (std::holds_alternative<KernelWork>(graph.tasks[id].work)) continue;
    if (std::holds_alternative<CollectiveWork>(graph.tasks[previous].work)) continue;
    for (const std::size_t rank : {0U, 3U}) {  // they come first
      step.ranks[rank].spans[previous].end -= Seconds(2 * kMs);
      step.ranks[rank].spans[id].start -= Seconds(2 * kMs);
    }
  }
  const Refit result = refit(kSequentialPlan, cluster, step);
  expect_near(result.after, result.measured);
  expect_near(expert_time(result.cluster, kSequentialPlan, 240), expert_time(cluster, kSequentialPlan, 240));
  EXPECT_LT(result.cluster.synchronization, Seconds(0.02 * kMs));
}

TEST(Refit, TheHandOverBetweenQueuesIsMeasured) {
  Cluster cluster = cluster_for(kOverlapping);
  cluster.launch_latency = Seconds(0.1 * kMs);
  Cluster truth = cluster;
  truth.launch_latency = Seconds(0.5 * kMs);
  const Refit result = refit(kOverlapping, cluster, run_on(kOverlapping, truth));
  expect_near(result.cluster.launch_latency, truth.launch_latency);
  EXPECT_EQ(result.most_wrong()->name, "hand-over between queues");
}

TEST(Refit, SpansAreStretchedToAStepOfMeanLength) {
  // The traced step went as predicted, but the mean step takes a tenth longer: so does every task.
  const Cluster cluster = cluster_for(kSequentialPlan);
  MeasuredStep step = run_on(kSequentialPlan, cluster);
  step.mean_step_time = 1.1 * step.mean_step_time;
  const Refit result = refit(kSequentialPlan, cluster, step);
  expect_near(result.after, step.mean_step_time);
  expect_near(expert_time(result.cluster, kSequentialPlan, 240), 1.1 * expert_time(cluster, kSequentialPlan, 240));
  EXPECT_EQ(result.traced, result.before);
}

TEST(Refit, NoiseChangesNothing) {
  // The head takes 1, 0.94, 1 and 0.94 of what was predicted: mean 0.97, deviation 0.0346, two standard errors 0.0346.
  const Cluster cluster = cluster_for(kSequentialPlan);
  MeasuredStep step = run_on(kSequentialPlan, cluster);
  const TaskGraph graph = build_step_graph(kSequentialPlan.step, kSequentialPlan.schedule);
  for (std::size_t rank = 0; rank < 4; ++rank) {
    const double factor = rank % 2 == 0 ? 1.0 : 0.94;
    for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
      const auto* kernel = std::get_if<KernelWork>(&graph.tasks[id].work);
      TaskSpan& span = step.ranks[rank].spans[id];
      if (kernel != nullptr && kernel->op == Operator::kHead) span.end = span.start + factor * (span.end - span.start);
    }
  }
  const Refit result = refit(kSequentialPlan, cluster, step);
  EXPECT_EQ(result.cluster, cluster);
}

TEST(Refit, SaysWhichRunANumberCameFrom) {
  const Cluster cluster = cluster_for(kSequentialPlan);
  Cluster truth = cluster;
  slow_down_experts(truth, 1.3);
  const Refit result = refit(kSequentialPlan, cluster, run_on(kSequentialPlan, truth));
  EXPECT_EQ(result.cluster.source, "made up; refitted from run run of 2026-01-01T00:00:00Z");
}

TEST(Refit, IsWorseWhereTheErrorGrows) {
  Refit result{.cluster = {},
               .terms = {},
               .measured = Seconds(1.0),
               .traced = Seconds(1.0),
               .before = Seconds(0.9),
               .after = Seconds(1.05)};
  EXPECT_FALSE(result.is_worse());
  result.after = Seconds(1.2);
  EXPECT_TRUE(result.is_worse());
}

TEST(Refit, MostWrongIsTheTermOfTheLargestEffectEitherWay) {
  Refit result;
  EXPECT_FALSE(result.most_wrong());
  result.terms = {{.name = "a", .is_off = true, .effect = Seconds(1.0)},
                  {.name = "b", .is_off = true, .effect = Seconds(-2.0)}};
  EXPECT_EQ(result.most_wrong()->name, "b");
}

}  // namespace
}  // namespace sextant
