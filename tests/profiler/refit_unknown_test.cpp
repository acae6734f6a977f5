#include "profiler/refit_unknown.h"

#include <gtest/gtest.h>

#include "planner/simulator.h"

namespace sextant {
namespace {

// A collective of 10 ms beside a kernel of 100 ms.
TaskGraph beside_graph() {
  TaskGraph graph;
  const KernelWork kernel{.op = Operator::kOptimizer, .pass = Pass::kForward, .shape = {.rows = 100}};
  const CollectiveWork collective{.group = {.nodes = 1, .ranks_per_node = 2}, .buffer = Bytes(100.0)};
  graph.tasks = {{.work = kernel, .uses = {Resource::kCompute}, .queue = Resource::kCompute},
                 {.work = collective, .uses = {Resource::kIntra}, .queue = Resource::kIntra}};
  graph.order[static_cast<std::size_t>(Resource::kCompute)] = {0};
  graph.order[static_cast<std::size_t>(Resource::kIntra)] = {1};
  return graph;
}

MeasuredPoint point(double time_s) {
  return {.median = Seconds(time_s), .low = Seconds(time_s), .high = Seconds(time_s), .repeats = 1};
}

Cluster beside_cluster() {
  Cluster cluster;
  cluster.kernels = {{Operator::kOptimizer, Pass::kForward, {}, {{.rows = 100, .time = point(0.1)}}}};
  cluster.collectives = {{.op = Collective::kAllToAll,
                          .group = {.nodes = 1, .ranks_per_node = 2},
                          .points = {{.buffer = Bytes(100.0), .time = point(0.01)}}}};
  return cluster;
}

// The factor of the link beside compute, from the collective.
Unknown factor() {
  return {.name = "factor", .tasks = {1}, .low = 1.0, .high = 8.0, .corrections = [](double value) {
            return ClusterCorrections{
                .contention = {{.victim = Resource::kIntra, .aggressor = Resource::kCompute, .factor = value}}};
          }};
}

double found(double measured_s, double error_s = 0.0) {
  const TaskGraph graph = beside_graph();
  const Cluster cluster = beside_cluster();
  ObservedStep observed;
  observed.spans = {{}, {.count = 4, .mean = Seconds(measured_s), .error = Seconds(error_s)}};
  const ClusterCorrections known;
  std::vector<Unknown> unknowns = {factor()};
  find_unknowns(unknowns, {.graph = graph, .observed = observed, .cluster = cluster, .known = known});
  return unknowns.front().value;
}

TEST(FindUnknowns, TheSimulatedTaskLastsAsLongAsTheMeasuredOne) {
  EXPECT_NEAR(found(0.025), 2.5, 1e-4);  // 10 ms in 25
}

TEST(FindUnknowns, StaysInItsRange) {
  EXPECT_EQ(found(0.005), 1.0);
  EXPECT_EQ(found(0.09), 8.0);
}

TEST(FindUnknowns, StaysAsItWasWithinTheNoise) {
  EXPECT_EQ(found(0.010), 1.0);
  EXPECT_EQ(found(0.012, 0.0011), 1.0);  // two standard errors: 2.2 ms
  EXPECT_NEAR(found(0.012, 0.0009), 1.2, 1e-4);
}

TEST(FindUnknowns, StaysAsItWasWhereItChangesNothing) {
  const TaskGraph graph = beside_graph();
  const Cluster cluster = beside_cluster();
  ObservedStep observed;
  observed.spans = {{.count = 4, .mean = Seconds(0.2)}, {}};
  const ClusterCorrections known;
  std::vector<Unknown> unknowns = {factor()};
  unknowns.front().tasks = {0};  // the kernel, which the factor does not touch
  unknowns.front().old_value = 1.5;
  find_unknowns(unknowns, {.graph = graph, .observed = observed, .cluster = cluster, .known = known});
  EXPECT_EQ(unknowns.front().value, 1.5);
}

TEST(Sums, AreOverTheTasksOfTheUnknown) {
  const Timeline timeline = simulate(beside_graph(), *make_cost_model(beside_cluster()));
  EXPECT_DOUBLE_EQ(simulated_sum(factor(), timeline).value(), 0.01);
  ObservedStep observed;
  observed.spans = {{.mean = Seconds(3.0)}, {.mean = Seconds(4.0)}};
  EXPECT_EQ(measured_sum(factor(), observed), Seconds(4.0));
}

}  // namespace
}  // namespace sextant
