#include "profiler/kernel_benchmark.h"

#include <algorithm>
#include <set>
#include <tuple>

#include <gtest/gtest.h>

#include "planner/layout_search.h"
#include "planner/schedule.h"
#include "tests/profiler/test_network.h"

namespace sextant {
namespace {

KernelBenchmarkOptions tiny_options() {
  return {.networks = {tiny_network()},
          .sequences = {8},
          .micro_batches = {1, 2},
          .degrees = {1, 2},
          .repeat = {.repeats = 2, .block_time = Seconds(0.0), .max_calls = 1}};
}

using Series = std::tuple<Operator, Pass, KernelShape>;

Series series_of(const KernelWork& work) {
  KernelShape shape = work.shape;
  shape.rows = 0;
  return {work.op, work.pass, shape};
}

std::set<Series> timed_series(const Topology& topology) {
  std::set<Series> series;
  for (const KernelCase& one : kernel_cases(topology, tiny_options())) {
    for (const Task& task : one.tasks) series.insert(series_of(std::get<KernelWork>(task.work)));
  }
  return series;
}

// Whatever layout the planner looks at, each of its kernels is one whose series the profile holds.
TEST(KernelCases, CoverEveryKernelOfEveryLayout) {
  const std::set<Series> timed = timed_series({1, 4});
  int checked = 0;
  for (const int tp : {1, 2, 4}) {
    for (const int ep : {1, 2, 4}) {
      for (int esp = 1; esp * ep <= 4; esp *= 2) {
        const ParallelLayout layout({.dp = 4 / tp, .tp = tp, .edp = 4 / ep / esp, .ep = ep, .esp = esp}, {1, 4});
        const StepShape step{tiny_network(), layout, 2, 1, 8, 4};
        const Schedule schedule{Policy::kFsmoe, {{2, 1}, {1, 2}}, whole_unit_slices(step, Policy::kFsmoe)};
        for (const Task& task : build_step_graph(step, schedule).tasks) {
          if (const auto* work = std::get_if<KernelWork>(&task.work)) {
            EXPECT_TRUE(timed.contains(series_of(*work))) << task_name(task) << " of " << to_text(layout.degrees());
            ++checked;
          }
        }
      }
    }
  }
  EXPECT_EQ(checked, 18 * 24);  // layouts; kernels of a step of two layers at degrees (2, 1) and (1, 2)
}

TEST(KernelCases, NoKernelIsTimedTwice) {
  std::set<std::pair<Series, std::int64_t>> seen;
  for (const KernelCase& one : kernel_cases({1, 4}, tiny_options())) {
    for (const Task& task : one.tasks) {
      const auto& work = std::get<KernelWork>(task.work);
      EXPECT_TRUE(seen.insert({series_of(work), work.shape.rows}).second) << task_name(task);
    }
  }
}

TEST(KernelCases, EverySequenceIsCovered) {
  KernelBenchmarkOptions options = tiny_options();
  options.sequences = {8, 16};
  std::set<std::int64_t> attention;
  for (const KernelCase& one : kernel_cases({1, 4}, options)) {
    for (const Task& task : one.tasks) attention.insert(std::get<KernelWork>(task.work).shape.sequence);
  }
  EXPECT_EQ(attention, (std::set<std::int64_t>{0, 8, 16}));  // 0: every other kernel
}

TEST(MeasureKernels, GivesAPointForEveryTaskOfTheCases) {
  launch(Backend::kLocal, {.num_ranks = 2}, [](World& world) {
    KernelBenchmark benchmark(world.topology(), tiny_options());
    for (int round = 0; round < 2; ++round) benchmark.run_round(world, [](const std::string&) {});
    const auto series = benchmark.series();
    std::size_t expected = 0, points = 0;
    for (const KernelCase& one : kernel_cases(world.topology(), tiny_options())) expected += one.tasks.size();
    for (const KernelSeries& one : series) {
      points += one.points.size();
      EXPECT_TRUE(std::is_sorted(one.points.begin(), one.points.end(),
                                 [](const KernelPoint& a, const KernelPoint& b) { return a.rows < b.rows; }));
      for (const KernelPoint& point : one.points) {
        EXPECT_GT(point.time.median, Seconds(0.0));
        EXPECT_EQ(point.time.repeats, 2 * tiny_options().repeat.repeats);
      }
    }
    EXPECT_EQ(points, expected);
    EXPECT_EQ(benchmark.num_measurements(), static_cast<int>(expected));
    return 0;
  });
}

}  // namespace
}  // namespace sextant
