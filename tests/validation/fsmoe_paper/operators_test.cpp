// Table 2 of the paper beside our operator times, and the cluster files themselves.
#include <array>
#include <cmath>
#include <iostream>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "models/yaml_io.h"
#include "tests/validation/fsmoe_paper/layer_grid.h"
#include "tests/validation/fsmoe_paper/testbed.h"

namespace sextant::fsmoe_paper {
namespace {

// ---- the cluster files ----

TEST(FsmoePaperTestbeds, AreLoadedAndWrittenBackUnchanged) {
  for (const char letter : {'a', 'b'}) {
    const Cluster cluster = load_testbed(letter);
    EXPECT_EQ(parse_cluster(ConfigNode::parse(cluster_to_yaml(cluster), "copy")), cluster);
    for (const CollectiveSeries& series : cluster.collectives) EXPECT_FALSE(series.source.empty());
    for (const KernelFit& fit : cluster.kernel_fits) EXPECT_FALSE(fit.source.empty());
  }
}

double milliseconds(Seconds time) {
  return time.value() * 1e3;
}

double collective_ms(const Cluster& cluster, Collective op, GroupShape group, double elements) {
  return milliseconds(make_cost_model(cluster)->collective({op, group, Bytes(4.0 * elements)}).time);
}

TEST(FsmoePaperTestbeds, PriceAMillionElementsAsThePaperDoes) {
  // Testbed A per element: 0.28745790958 + 2.3201445211e-6 * 10^6 = 2.6076 ms, and so on.
  const Cluster a = load_testbed('a');
  EXPECT_NEAR(collective_ms(a, Collective::kAllToAll, {6, 1}, 1e6), 2.607602, 1e-6);
  EXPECT_NEAR(collective_ms(a, Collective::kAllGather, {1, 8}, 1e6), 0.572670, 1e-6);
  EXPECT_NEAR(collective_ms(a, Collective::kReduceScatter, {1, 8}, 1e6), 0.617099, 1e-6);
  EXPECT_NEAR(collective_ms(a, Collective::kAllReduce, {6, 1}, 1e6), 5.462542, 1e-6);
  // Testbed B per byte: 0.175 + 3.06e-7 * 4 * 10^6 = 1.399 ms, and so on.
  const Cluster b = load_testbed('b');
  EXPECT_NEAR(collective_ms(b, Collective::kAllToAll, {8, 1}, 1e6), 1.399, 1e-6);
  EXPECT_NEAR(collective_ms(b, Collective::kAllGather, {1, 4}, 1e6), 0.704, 1e-6);
  EXPECT_NEAR(collective_ms(b, Collective::kReduceScatter, {1, 4}, 1e6), 0.7071, 1e-6);
  EXPECT_NEAR(collective_ms(b, Collective::kAllReduce, {8, 1}, 1e6), 2.4797, 1e-6);
}

TEST(FsmoePaperTestbeds, ABackwardOfTheExpertsTakesTwiceTheForward) {
  for (const char letter : {'a', 'b'}) {
    const Cluster cluster = load_testbed(letter);
    const auto costs = make_cost_model(cluster);
    for (const bool gated : {false, true}) {
      const StepShape step = layer_step({.gated = gated}, cluster.topology, 1);
      const Seconds forward = costs->kernel(expert_work(step, Pass::kForward, 100)).time;
      EXPECT_NEAR(costs->kernel(expert_work(step, Pass::kBackward, 100)).time / forward, 2.0, 1e-12);
    }
  }
}

// ---- Table 2 ----

constexpr std::array kColumns = {"all_to_all", "all_reduce", "all_gather", "reduce_scatter", "experts", "attention"};
using Row = std::array<double, kColumns.size()>;  // ms

struct Table2Row {
  const char* name;
  char testbed;
  bool mixtral;
  Pass pass;
  Row published_ms;
  Row known_difference;  // of ours from the published, %: what the models of this version give
};

constexpr Table2Row kTable2[] = {
    {"A GPT2-XL forward", 'a', false, Pass::kForward, {6.9, 0, 4.6, 5.4, 3.1, 1.7}, {19, 0, 15, -5, -25, 0}},
    {"A GPT2-XL backward", 'a', false, Pass::kBackward, {6.9, 5.26, 4.6, 5.4, 6.1, 3.6}, {19, 0, 15, -5, -24, 0}},
    {"A Mixtral forward", 'a', true, Pass::kForward, {19.5, 0, 12.3, 13.7, 15.6, 4.1}, {3, 0, 2, -13, 29, 0}},
    {"A Mixtral backward", 'a', true, Pass::kBackward, {19.6, 26.45, 12.3, 13.7, 31.8, 7.7}, {2, 0, 2, -13, 26, 0}},
    {"B GPT2-XL forward", 'b', false, Pass::kForward, {11.2, 0, 15.5, 15.7, 6.7, 4.5}, {-11, 0, -3, -5, 36, -38}},
    {"B GPT2-XL backward", 'b', false, Pass::kBackward, {11.2, 7.3, 15.5, 15.2, 13, 8.6}, {-11, -36, -3, -1, 40, -35}},
    {"B Mixtral forward", 'b', true, Pass::kForward, {28.3, 0, 39.6, 40.8, 58.5, 9.5}, {-11, 0, -3, -6, 32, 12}},
    {"B Mixtral backward",
     'b',
     true,
     Pass::kBackward,
     {30.8, 32.1, 40.1, 41.8, 119.7, 18.1},
     {-19, -21, -4, -8, 29, 18}},
};

// One layer of the table: B = 4, L = 1024. Its key-value heads follow from the volume of its gradients.
StepShape table2_step(const Table2Row& row, const Topology& topology, double capacity_factor) {
  const LayerConfig config{.batch = 4,
                           .heads = 32,
                           .sequence = 1024,
                           .model_dim = row.mixtral ? 4096 : 1600,
                           .capacity_factor = capacity_factor,
                           .gated = row.mixtral};
  StepShape step = layer_step(config, topology, 1);
  step.network.kv_heads = row.mixtral ? 8 : 16;
  step.network.expert_hidden_dim = row.mixtral ? 14336 : 6400;
  return step;
}

Row our_times(const Table2Row& row, double capacity_factor) {
  const Cluster cluster = load_testbed(row.testbed);
  const StepShape step = table2_step(row, cluster.topology, capacity_factor);
  const PaperCosts costs(cluster, {});
  const auto rows = step.capacity();
  const auto time = [&](const Work& work) { return milliseconds(costs.cost(work).time); };
  const std::int64_t gradients = gradient_elements(step, GroupKind::kDp, 1);
  const bool backward = row.pass == Pass::kBackward;
  return {2.0 * time(dispatch_work(step, rows)),
          backward ? time(gradient_reduce_work(step, GroupKind::kDp, gradients)) : 0.0,
          time(expert_gather_work(step, rows)) + time(attention_gather_work(step)),
          time(expert_scatter_work(step, rows)) + time(attention_scatter_work(step)),
          time(expert_work(step, row.pass, rows)),
          time(attention_work(step, row.pass))};
}

void print_row(const std::string& label, const Row& row, const char* format) {
  std::cout << fmt::format("  {:22}", label);
  for (const double value : row) std::cout << fmt::format(fmt::runtime(format), value);
  std::cout << "\n";
}

TEST(FsmoePaperTable2, OperatorTimesDifferFromThePublishedOnesAsKnown) {
  std::cout << "Table 2, ms per operation of one layer, B = 4, L = 1024. k f is not stated; taken is what fits the\n"
               "collectives best, 2.0 on testbed A and 2.4 on B:\n"
            << fmt::format("  {:22}", "");
  for (const char* column : kColumns) std::cout << fmt::format("{:>15}", column);
  std::cout << "\n";
  for (const Table2Row& row : kTable2) {
    const Row ours = our_times(row, row.testbed == 'a' ? 1.0 : 1.2);
    Row difference{};
    for (std::size_t i = 0; i < ours.size(); ++i) {
      if (row.published_ms[i] == 0.0) continue;
      difference[i] = 100.0 * (ours[i] / row.published_ms[i] - 1.0);
      // No model may move silently; how near is near enough the paper does not say, so it is printed.
      EXPECT_NEAR(difference[i], row.known_difference[i], 1.0) << row.name << " " << kColumns[i];
    }
    print_row(row.name, row.published_ms, "{:>15.2f}");
    print_row("    ours", ours, "{:>15.2f}");
    print_row("    difference, %", difference, "{:>+15.0f}");
  }
  std::cout
      << "  Why: the collectives are lines fitted on idle links: 15 to 19 % too slow for GPT2-XL on A, too fast for\n"
         "  all of B even at the larger k f, at which B's experts (single products of Figure 5) are 29 to 40 %\n"
         "  too slow: no one k f fits a whole row. A's expert lines, from the authors' code, carry a factor 1.3\n"
         "  set by hand; B's attention lines, also theirs, contradict this table.\n";
}

}  // namespace
}  // namespace sextant::fsmoe_paper
