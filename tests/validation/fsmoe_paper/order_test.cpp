// What the extensions beyond the paper gain over `fsmoe` on the grid of Table 4, and how far the best order
// found is from the lower bound.
#include <array>
#include <iostream>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "planner/order_search.h"
#include "tests/validation/fsmoe_paper/layer_grid.h"
#include "tests/validation/fsmoe_paper/testbed.h"

namespace sextant::fsmoe_paper {
namespace {

// Every 27th layer of the grid in a stack of 4, two micro-batches.
constexpr std::size_t kStride = 27;
constexpr int kLayers = 4;
constexpr int kMicroBatches = 2;

// Sums over the layers of the grid of time over fsmoe's time; `above` over the lower bound.
struct OrderSums {
  int count = 0;
  double searched = 0.0;
  double fsmoe_above = 0.0;
  double searched_above = 0.0;
  std::array<double, kNumOrderExtensions> alone{};

  void add(const OrderReport& report) {
    ++count;
    searched += report.best_time / report.fsmoe_time;
    fsmoe_above += report.fsmoe_time / report.lower_bound;
    searched_above += report.best_time / report.lower_bound;
    for (std::size_t e = 0; e < alone.size(); ++e) alone[e] += report.alone[e].value() / report.fsmoe_time;
  }
  [[nodiscard]] double percent(double sum) const { return 100.0 * (sum / count - 1.0); }
};

OrderSums search_grid(char testbed, Contention contention) {
  const Cluster cluster = load_testbed(testbed);
  const PaperCosts costs(cluster, contention);
  const std::vector<LayerConfig> configs = table4(testbed);
  OrderSums sums;
  for (std::size_t i = 0; i < configs.size(); i += kStride) {
    StepShape step = layer_step(configs[i], cluster.topology, kLayers);
    step.num_micro_batches = kMicroBatches;
    const OrderReport report = search_order(step, costs, {.schedule = {}, .memory = std::nullopt}).report;
    EXPECT_LE(report.best_time, report.fsmoe_time);
    EXPECT_GE(report.best_time, report.lower_bound);
    sums.add(report);
  }
  return sums;
}

TEST(FsmoePaperOrder, TheBestOrderFoundBeatsFsmoe) {
  std::cout << fmt::format(
      "Step time against fsmoe, mean over {} layers of Table 4 in stacks of {}, {} micro-batches, no memory limit:\n",
      1458 / kStride, kLayers, kMicroBatches);
  for (const char testbed : {'a', 'b'}) {
    for (const double two_links : {1.0, 1.5}) {
      const OrderSums sums = search_grid(testbed, {.two_links = two_links});
      std::cout << fmt::format(
          "  testbed {}, two links x{:.1f}: searched {:+.1f} %; above the bound {:.1f} %, fsmoe {:.1f} %;", testbed,
          two_links, sums.percent(sums.searched), sums.percent(sums.searched_above), sums.percent(sums.fsmoe_above));
      for (int e = 0; e < kNumOrderExtensions; ++e) {
        std::cout << fmt::format(" {} {:+.1f} %", to_text(OrderExtension(e)),
                                 sums.percent(sums.alone[static_cast<std::size_t>(e)]));
      }
      std::cout << '\n';
      EXPECT_LT(sums.searched / sums.count, 1.0);
    }
  }
}

}  // namespace
}  // namespace sextant::fsmoe_paper
