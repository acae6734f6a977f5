#include "tools/report/report_data.h"

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "models/memory_model.h"
#include "models/yaml_io.h"
#include "tests/tools/report/example_folder.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

ReportItem plan_item(const std::string& name) {
  return {.name = name, .path = name + ".yaml", .plan = example_plan(), .cluster = {}, .run = {}};
}

ReportItem run_item(const std::string& name, int steps) {
  ReportItem item = plan_item(name);
  item.cluster = example_cluster();
  item.run = RunRecord{.summary = {{"ranks", 2}}, .log = {}};
  for (int step = 1; step <= steps; ++step) {
    item.run->log.push_back({{"step", step}, {"loss", 1.0 / step}, {"step_time_s", 0.5}});
  }
  return item;
}

TEST(ReportData, AnExperimentStandsByItsSummary) {
  const Json data = report_data({.experiments = {{.name = "grid", .path = "out/grid", .summary = {{"plans", 3}}}}});
  EXPECT_TRUE(data["items"].empty());
  EXPECT_EQ(data["experiments"][0]["name"], "grid");
  EXPECT_EQ(data["experiments"][0]["path"], "out/grid");
  EXPECT_EQ(data["experiments"][0]["summary"]["plans"], 3);
}

TEST(ReportData, APlanAloneHasPredictionsOnly) {
  const std::vector<ReportItem> items{plan_item("mine")};
  const Json data = report_data({.items = items});
  ASSERT_EQ(data["items"].size(), 1U);
  const Json& item = data["items"][0];
  EXPECT_EQ(item["kind"], "plan");
  EXPECT_FALSE(item.contains("run"));
  EXPECT_FALSE(item.contains("log"));
  EXPECT_EQ(item["plan"]["step_time_s"], 0.5);
  EXPECT_DOUBLE_EQ(item["plan"]["optimality_gap"].get<double>(), 0.25);  // 0.5 s / 0.4 s - 1
  EXPECT_EQ(item["texts"]["layout"], to_text(example_plan().step.layout.degrees()));
  EXPECT_EQ(item["texts"]["r_fwd"], "2");
  EXPECT_EQ(item["global_batch"], 2);
  EXPECT_TRUE(data["clusters"].empty());
}

TEST(ReportData, MemoryTermsAddUpToTheModelsTotal) {
  std::vector<ReportItem> items{plan_item("mine")};
  const OverlapOptions overlap{.split_expert_backward = true, .micro_batches_in_flight = 2};
  items[0].plan.schedule.overlap = overlap;
  double sum = 0.0;
  const Json data = report_data({.items = items});
  for (const Json& term : data["items"][0]["memory"]) sum += term["bytes"].get<double>();
  EXPECT_DOUBLE_EQ(sum, training_memory(example_plan().step, overlap).total().value());
}

TEST(ReportData, TheLogBecomesColumns) {
  const std::vector<ReportItem> items{run_item("run", 3)};
  const Json log = report_data({.items = items})["items"][0]["log"];
  EXPECT_EQ(log["stride"], 1);
  EXPECT_EQ(log["step"], Json({1, 2, 3}));
  EXPECT_EQ(log["loss"], Json({1.0, 0.5, 1.0 / 3}));
  EXPECT_EQ(log["gradient_norm"], Json({nullptr, nullptr, nullptr}));
}

TEST(ReportData, ALongLogIsThinnedEvenly) {
  // 4001 steps, at most 2000 points: every third step, 1, 4, ..., 4000.
  const std::vector<ReportItem> items{run_item("run", 4001)};
  const Json log = report_data({.items = items})["items"][0]["log"];
  EXPECT_EQ(log["stride"], 3);
  EXPECT_EQ(log["step"].size(), 1334U);
  EXPECT_EQ(log["step"].back(), 4000);
}

TEST(ReportData, AClusterThatRunsShareStandsOnce) {
  std::vector<ReportItem> items{run_item("a", 1), run_item("b", 1), run_item("c", 1)};
  items[2].cluster->name = "another";
  const Json clusters = report_data({.items = items})["clusters"];
  ASSERT_EQ(clusters.size(), 2U);
  EXPECT_EQ(clusters[0]["hash"], content_hash(cluster_to_yaml(example_cluster())));
  EXPECT_EQ(clusters[1]["name"], "another");
}

TEST(ReportData, ACollectiveCarriesItsPointsAndItsLine) {
  const std::vector<ReportItem> items{run_item("a", 1)};
  const Json series = report_data({.items = items})["clusters"][0]["collectives"][0];
  EXPECT_EQ(series["op"], "all_to_all");
  EXPECT_EQ(series["group"], "2 ranks of one node");
  ASSERT_EQ(series["points"].size(), 7U);
  EXPECT_EQ(series["points"][0]["bytes"], 1024.0);
  // The points lie on 20 us + n / (5 GB/s), so the fit finds just that.
  EXPECT_NEAR(series["line"]["alpha_s"].get<double>(), 20e-6, 1e-9);
  EXPECT_NEAR(series["line"]["beta_s_per_byte"].get<double>(), 0.2e-9, 1e-14);
  EXPECT_NEAR(series["line"]["residual_p90"].get<double>(), 0.0, 1e-6);
}

TEST(ReportData, AKernelCarriesItsFitAtItsPoints) {
  const std::vector<ReportItem> items{run_item("a", 1)};
  const Json kernels = report_data({.items = items})["clusters"][0]["kernels"];
  ASSERT_EQ(kernels.size(), 2U);
  EXPECT_EQ(kernels[0]["op"], "expert");
  EXPECT_EQ(kernels[0]["shape"], "width 8, hidden 16, experts 1");
  const Cluster cluster = example_cluster();
  const KernelFit& fit = cluster.kernel_fits[0];
  KernelWork work{.op = fit.op, .pass = fit.pass, .shape = cluster.kernels[0].shape};
  work.shape.rows = cluster.kernels[0].points[2].rows;
  const KernelCounts counts = count(work, cluster.element_bytes);
  EXPECT_DOUBLE_EQ(kernels[0]["points"][2]["fit"].get<double>(),
                   (fit.alpha + counts.flops * fit.gamma + counts.bytes * fit.beta).value());
}

}  // namespace
}  // namespace sextant
