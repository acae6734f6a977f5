#include "planner/stage_choice.h"

#include <numeric>

#include <gtest/gtest.h>

#include "models/setup_memory.h"
#include "models/step_estimate.h"

namespace sextant {
namespace {

const std::string kConfigs = SEXTANT_SOURCE_DIR "/configs/";
const Network& network() {
  static const Network n = load_network(kConfigs + "networks/deepseek_v2.yaml");  // 60 layers, the first dense
  return n;
}
const Cluster& cluster() {
  static const Cluster c = load_cluster(kConfigs + "clusters/dgx_h100.yaml");
  return c;
}

TrainingSetup setup_of(int pp) {
  return {.degrees = {.pp = pp, .dp = 64, .edp = 8, .ep = 8}, .num_micro_batches = 4 * pp, .sequence = 4096};
}

TEST(ChooseStages, EvenStagesAreLeftUnsaid) {
  EXPECT_EQ(choose_stages(network(), setup_of(1), cluster()), std::vector<int>());
}

TEST(ChooseStages, NoNeighbouringSplitIsFaster) {
  for (const int pp : {7, 8, 16}) {
    TrainingSetup setup = setup_of(pp);
    setup.stage_layers = choose_stages(network(), setup, cluster()).value();
    if (setup.stage_layers.empty()) setup.stage_layers = even_stages(network().layers, pp);
    EXPECT_EQ(std::accumulate(setup.stage_layers.begin(), setup.stage_layers.end(), 0), 60);
    const Seconds best = estimate_step(network(), setup, cluster()).total();
    for (std::size_t from = 0; from < setup.stage_layers.size(); ++from) {
      for (std::size_t to = 0; to < setup.stage_layers.size(); ++to) {
        TrainingSetup moved = setup;
        if (--moved.stage_layers[from] == 0) continue;
        ++moved.stage_layers[to];
        EXPECT_GE(estimate_step(network(), moved, cluster()).total(), best * (1.0 - 1e-12)) << from << " to " << to;
      }
    }
  }
}

TEST(ChooseStages, LittleMemoryMovesLayersAwayFromTheFirstStages) {
  TrainingSetup setup = setup_of(8);
  const Bytes even = setup_memory(network(), setup).total();
  const auto smaller = choose_stages(network(), setup, cluster(), even * 0.9);
  ASSERT_TRUE(smaller.has_value());
  ASSERT_FALSE(smaller->empty());
  EXPECT_LT(smaller->front(), smaller->at(4));
  setup.stage_layers = *smaller;
  EXPECT_LE(setup_memory(network(), setup).total(), even * 0.9);
  EXPECT_EQ(choose_stages(network(), setup, cluster(), Bytes(1e9)), std::nullopt);
}

}  // namespace
}  // namespace sextant
