// Table 5 of the paper: mean speedup over Tutel on the 1458 layers of Table 4.
#include <array>
#include <ctime>
#include <iostream>
#include <map>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/validation/fsmoe_paper/layer_grid.h"
#include "tests/validation/fsmoe_paper/layer_systems.h"
#include "tests/validation/fsmoe_paper/testbed.h"

namespace sextant::fsmoe_paper {
namespace {

const std::vector<int> kDegrees = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

struct Published {
  char testbed;
  double tutel_improved;
  double fsmoe_no_iio;
  double fsmoe;
};
constexpr Published kTable5[] = {{'a', 1.09, 1.12, 1.18}, {'b', 1.08, 1.16, 1.22}};

std::optional<double> published(const Published& row, Policy policy) {
  switch (policy) {
    case Policy::kTutel:
      return 1.0;
    case Policy::kTutelImproved:
      return row.tutel_improved;
    case Policy::kFsmoeNoIio:
      return row.fsmoe_no_iio;
    case Policy::kFsmoe:
      return row.fsmoe;
    default:
      return std::nullopt;
  }
}

// Mean over the layers of the grid, every `stride`-th one, of tutel's time over the policy's.
using Speedups = std::map<Policy, double>;

Speedups mean_speedups(char testbed, const std::vector<Policy>& policies, Contention contention, Belief belief,
                       std::size_t stride) {
  const Cluster cluster = load_testbed(testbed);
  const PaperCosts costs(cluster, contention);
  const std::vector<LayerConfig> configs = table4(testbed);
  Speedups sum;
  int count = 0;
  for (std::size_t i = 0; i < configs.size(); i += stride) {
    const StepShape step = layer_step(configs[i], cluster.topology, 2);
    const LayerPlanner planner(step, costs, kDegrees);
    const auto time = [&](Policy policy) {
      return layer_time(step, two_layer_schedule(step, planner.plan(policy, belief), costs), costs);
    };
    const Seconds tutel = time(Policy::kTutel);
    for (const Policy policy : policies) sum[policy] += policy == Policy::kTutel ? 1.0 : tutel / time(policy);
    ++count;
  }
  for (auto& [policy, value] : sum) value /= count;
  return sum;
}

// The rule for a testbed's contention: the factor at which the mean speedup of fsmoe over tutel is that of
// Table 5, by bisection on every 13th layer (13 shares no factor with the sides of the grid). The other
// systems have no part in it: what the factor says of them is a prediction.
Contention calibrated(const Published& row, double Contention::*pair) {
  double low = 1.0, high = 3.0;
  Contention contention;
  for (int i = 0; i < 9; ++i) {
    contention.*pair = 0.5 * (low + high);
    const Speedups speedups = mean_speedups(row.testbed, {Policy::kFsmoe}, contention, Belief::kOwn, 13);
    (speedups.at(Policy::kFsmoe) > row.fsmoe ? low : high) = contention.*pair;
  }
  contention.*pair = 0.5 * (low + high);
  return contention;
}

struct Column {
  std::string title;
  Speedups speedups;
};

std::vector<Column> columns_of(const Published& row) {
  const auto mean = [&](Contention contention, Belief belief) {
    return mean_speedups(row.testbed, published_policies(), contention, belief, 1);
  };
  const Contention compute = calibrated(row, &Contention::links_and_compute);
  const Contention links = calibrated(row, &Contention::two_links);
  return {{"no contention", mean({}, Belief::kOwn)},
          {fmt::format("two links x{:.2f}", links.two_links), mean(links, Belief::kOwn)},
          {fmt::format("links, compute x{:.2f}", compute.links_and_compute), mean(compute, Belief::kOwn)},
          {"exact degrees", mean({}, Belief::kExact)}};
}

void print(const Published& row, const std::vector<Column>& columns) {
  std::cout << fmt::format("  testbed {:10}{:>8}", row.testbed, "paper");
  for (const Column& column : columns) std::cout << fmt::format("{:>24}", column.title);
  std::cout << "\n";
  for (const Policy policy : published_policies()) {
    const std::optional<double> paper = published(row, policy);
    std::cout << fmt::format("    {:16}{:>8}", to_text(policy), paper ? fmt::format("{:.2f}", *paper) : "-");
    for (const Column& column : columns) {
      const double ours = column.speedups.at(policy);
      std::cout << fmt::format("{:>24}", paper ? fmt::format("{:.3f} ({:+.3f})", ours, ours - *paper)
                                               : fmt::format("{:.3f}         ", ours));
    }
    std::cout << "\n";
  }
}

void expect_near_paper(const Published& row, const Column& column, double tolerance) {
  for (const Policy policy : published_policies()) {
    const std::optional<double> paper = published(row, policy);
    if (!paper) continue;
    EXPECT_NEAR(column.speedups.at(policy), *paper, tolerance) << to_text(policy) << ", " << column.title;
  }
}

TEST(FsmoePaperTable5, MeanSpeedupsOverTutel) {
  const std::clock_t started = std::clock();
  std::cout << "Table 5, mean speedup over tutel on 1458 layers, ours (ours - paper); k = " << kTopK
            << " (not stated by the paper).\n"
               "Degrees by each system's own planner; last column by exact times for all:\n";
  for (const Published& row : kTable5) {
    const std::vector<Column> columns = columns_of(row);
    print(row, columns);
    const Speedups& alone = columns[0].speedups;
    EXPECT_GT(alone.at(Policy::kFsmoe), alone.at(Policy::kFsmoeNoIio));
    EXPECT_GT(alone.at(Policy::kFsmoeNoIio), alone.at(Policy::kTutelImproved));
    EXPECT_GT(alone.at(Policy::kTutelImproved), alone.at(Policy::kTutel));
    expect_near_paper(row, columns[1], 0.04);
    expect_near_paper(row, columns[2], 0.09);
  }
  std::cout
      << "  Why we differ: without contention the systems with one communication queue agree with the paper to 0.03\n"
         "  and only fsmoe is 0.14 to 0.17 too fast: what the published model lacks acts where the two links work\n"
         "  together. One factor between them (they share PCIe), set so that fsmoe's mean is the paper's, leaves the\n"
         "  others where they are. One between links and compute would take half of their gain as well.\n"
         "  The rest: k, the experts per token, and the dense times of testbed A are not published.\n";
  const double cpu_s = static_cast<double>(std::clock() - started) / CLOCKS_PER_SEC;
  std::cout << fmt::format(
      "  1458 layers x 2 testbeds x {} systems x 4 columns and 4 calibrations: {:.1f} s of one core\n",
      published_policies().size(), cpu_s);
  EXPECT_LT(cpu_s, 10.0);
}

}  // namespace
}  // namespace sextant::fsmoe_paper
