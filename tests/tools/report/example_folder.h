// Plans and run folders as the verbs write them, for tests of the report: times from the simulator, with
// the measurement made up by a fixed rule.
#pragma once

#include <cmath>
#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "models/cluster.h"
#include "models/yaml_io.h"
#include "planner/layout_search.h"
#include "tests/tools/example_run.h"
#include "tests/tools/experiment/example_rows.h"
#include "tools/experiment/experiment_results.h"
#include "tools/run_folder.h"

namespace sextant {

// Made-up points of two ranks on one node that lie exactly on a line; the texts try to break the page.
inline Cluster example_cluster() {
  Cluster cluster;
  cluster.name = "example <cluster> & co";
  cluster.source = "made up for a test";
  cluster.topology = {.nodes = 1, .devices_per_node = 2};
  cluster.backend = "local";
  cluster.machine = "two ranks of one processor </script><b>";
  cluster.date = "2025-01-31T12:00:00Z";
  cluster.device = {.peak = FlopsPerSecond(4e10), .memory_bandwidth = BytesPerSecond(1e10), .memory = Bytes(4e9)};
  cluster.launch_latency = Seconds(5e-6);
  CollectiveSeries series{.op = Collective::kAllToAll, .group = {.nodes = 1, .ranks_per_node = 2}};
  for (double bytes = 1024.0; bytes <= 4.0 * 1048576.0; bytes *= 4.0) {
    const double time = 20e-6 + bytes / 5e9;
    series.points.push_back({Bytes(bytes), {Seconds(time), Seconds(0.9 * time), Seconds(1.3 * time), 20}});
  }
  cluster.collectives.push_back(series);
  for (const Pass pass : {Pass::kForward, Pass::kBackward}) {
    KernelSeries kernel{.op = Operator::kExpert, .pass = pass};
    kernel.shape = {.model_dim = 8, .hidden_dim = 16, .experts = 1, .gated = 1};
    for (std::int64_t rows = 4; rows <= 1024; rows *= 4) {
      const double time = (pass == Pass::kForward ? 1.0 : 2.0) * (4e-6 + static_cast<double>(rows) * 8e-8);
      kernel.points.push_back({rows, {Seconds(time), Seconds(0.95 * time), Seconds(1.2 * time), 20}});
    }
    cluster.kernels.push_back(kernel);
  }
  fit_cluster(cluster);
  return cluster;
}

inline void write_example_plan(const std::filesystem::path& path) {
  write_file_atomically(path, plan_to_yaml(example_plan()));
}

// A finished run of `steps` steps whose loss falls from 5.5 nats.
inline void write_example_run(const std::filesystem::path& path, int steps = 40) {
  const Plan plan = example_plan();
  const FakeCostModel costs = example_costs();
  const StepPrediction prediction = predict_step(plan, &costs);
  const TrainSummary summary = example_summary(plan, prediction);
  RunFolder folder(path, ExistingRun::kReplace);
  folder.write("plan.yaml", plan_to_yaml(plan));
  folder.write("cluster.yaml", cluster_to_yaml(example_cluster()));
  for (int step = 1; step <= steps; ++step) {
    StepRecord record = summary.records.back();
    record.step = step;
    record.result.loss = 2.5 + 3.0 * std::exp(-step / 12.0);
    record.step_time = summary.step_time.mean * (1.0 + 0.05 * std::sin(step));
    folder.append_to_log(step_json(record));
  }
  folder.finish_log();
  folder.write("summary.json", summary_json({.plan = plan,
                                             .prediction = prediction,
                                             .summary = summary,
                                             .backend = "local",
                                             .date = "2025-01-31T12:30:00Z",
                                             .data = "text",
                                             .unigram_entropy_nats = 3.2}));
}

// The summary of a finished experiment of four plans of two names.
inline void write_example_experiment(const std::filesystem::path& path) {
  std::vector<ExperimentRow> rows = example_rows();
  for (ExperimentRow& row : rows) row.communication_share = row.name == "a" ? 0.5 : 0.9;
  std::vector<Finalist> again;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    const Seconds time = rows[row].measured.median;
    again.push_back({.row = row, .times = {{0.9 * time}, {1.1 * time}}});
  }
  const std::vector<SkippedPlan> skipped{{"a", "lina", "dp3", "chosen", "does not divide </script><b>"}};
  std::filesystem::create_directories(path);
  write_file_atomically(path / "summary.json", experiment_json({.rows = rows,
                                                                .skipped = skipped,
                                                                .finalists = again,
                                                                .references = {"tutel"},
                                                                .backend = "local",
                                                                .machine = "two ranks of one processor",
                                                                .date = "2025-01-31T13:00:00Z",
                                                                .topology = {.nodes = 1, .devices_per_node = 4}}));
}

}  // namespace sextant
