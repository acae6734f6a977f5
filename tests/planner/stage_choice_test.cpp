#include "planner/stage_choice.h"

#include <numeric>
#include <utility>

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
  EXPECT_EQ(choose_stages(network(), setup_of(1), cluster()), setup_of(1));
}

TEST(ChooseStages, NoNeighbouringSplitIsFaster) {
  for (const int pp : {7, 8, 16}) {
    TrainingSetup setup = setup_of(pp);
    setup = choose_stages(network(), setup, cluster()).value();
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
  const auto smaller = choose_stages(network(), setup, cluster(), {.memory = even * 0.9});
  ASSERT_TRUE(smaller.has_value());
  ASSERT_FALSE(smaller->stage_layers.empty());
  EXPECT_LT(smaller->stage_layers.front(), smaller->stage_layers.at(4));
  EXPECT_LE(setup_memory(network(), *smaller).total(), even * 0.9);
  EXPECT_EQ(smaller->recompute, Recompute::kNone);  // not asked for
  EXPECT_EQ(choose_stages(network(), setup, cluster(), {.memory = Bytes(1e9)}), std::nullopt);
}

const std::vector<Recompute> kAll{Recompute::kNone, Recompute::kSelective, Recompute::kFull};

TEST(ChooseStages, OnlyStagesShortOfMemoryComputeAgain) {
  TrainingSetup setup = setup_of(8);
  setup.recompute = Recompute::kFull;
  const Bytes least = setup_memory(network(), setup).total();
  setup.recompute = Recompute::kNone;
  const Bytes most = setup_memory(network(), setup).total();
  const Bytes memory = 0.7 * least + 0.3 * most;
  const auto mixed = choose_stages(network(), setup, cluster(), {.memory = memory, .recomputes = kAll});
  ASSERT_TRUE(mixed.has_value());
  // The first stages hold most micro-batches.
  EXPECT_EQ(recompute_of(*mixed, 0), Recompute::kFull);
  EXPECT_EQ(recompute_of(*mixed, 7), Recompute::kNone);
  EXPECT_LE(setup_memory(network(), *mixed).total(), memory);
  // Faster than full recomputation everywhere and than none at all on any split.
  for (const Recompute one : {Recompute::kNone, Recompute::kFull}) {
    if (const auto other = choose_stages(network(), setup, cluster(), {.memory = memory, .recomputes = {one}})) {
      EXPECT_LT(estimate_step(network(), *mixed, cluster()).total(),
                estimate_step(network(), *other, cluster()).total())
          << to_text(one);
    }
  }
}

// Every split of the layers with every recomputation of every stage, priced by the estimate itself.
class Enumeration {
 public:
  Enumeration(const Network& network, const TrainingSetup& setup, const Cluster& cluster, Bytes memory)
      : n_(network), cluster_(cluster), memory_(memory), setup_(setup) {}

  std::optional<Seconds> run(int layers_left) {
    extend(layers_left);
    return best_;
  }

 private:
  void extend(int layers_left) {
    const int stages_left = setup_.degrees.pp - static_cast<int>(setup_.stage_layers.size());
    if (stages_left == 0) {
      if (layers_left == 0) price();
      return;
    }
    for (int layers = 1; layers <= layers_left - stages_left + 1; ++layers) {
      setup_.stage_layers.push_back(layers);
      for (const Recompute recompute : kAll) {
        setup_.stage_recompute.push_back(recompute);
        extend(layers_left - layers);
        setup_.stage_recompute.pop_back();
      }
      setup_.stage_layers.pop_back();
    }
  }

  void price() {
    if (setup_memory(n_, setup_).total() > memory_) return;
    const Seconds time = estimate_step(n_, setup_, cluster_).total();
    if (!best_ || time < *best_) best_ = time;
  }

  const Network& n_;
  const Cluster& cluster_;
  Bytes memory_;
  TrainingSetup setup_;
  std::optional<Seconds> best_;
};

struct Tally {
  int mixed = 0;  // setups whose stages recompute differently
  int none = 0;   // jobs that do not fit
};

void expect_exact(const Network& network, const TrainingSetup& setup, Bytes memory, Tally& tally) {
  const auto chosen = choose_stages(network, setup, cluster(), {.memory = memory, .recomputes = kAll});
  const auto best = Enumeration(network, setup, cluster(), memory).run(network.layers);
  ASSERT_EQ(chosen.has_value(), best.has_value()) << to_text(setup) << " in " << to_text(memory);
  if (!best) {
    ++tally.none;
    return;
  }
  EXPECT_LE(setup_memory(network, *chosen).total(), memory);
  EXPECT_NEAR(estimate_step(network, *chosen, cluster()).total() / *best, 1.0, 1e-12) << to_text(*chosen);
  if (!chosen->stage_recompute.empty()) ++tally.mixed;
}

TEST(ChooseStages, NoOtherSplitAndRecomputationIsFaster) {
  Network first_dense = network();
  first_dense.layers = 7;
  Network every_other_dense = first_dense;
  every_other_dense.dense.layers = {1, 3, 5};
  Tally tally;
  for (const Network& small : {first_dense, every_other_dense}) {
    for (const bool fused : {true, false}) {
      for (const auto& [pipeline, virtual_stages] :
           {std::pair(PipelineSchedule::k1F1B, 1), std::pair(PipelineSchedule::k1F1B, 2),
            std::pair(PipelineSchedule::kZeroBubble, 1)}) {
        for (const std::int64_t micro_batches : {1, 3, 12}) {
          TrainingSetup setup = setup_of(3);
          setup.pipeline = pipeline;
          setup.virtual_stages = virtual_stages;
          setup.dispatch = Dispatch::kDeduplicated;
          setup.num_micro_batches = micro_batches;
          setup.fused_attention = fused;
          const Bytes most = setup_memory(small, setup).total();
          for (const double share : {1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4})
            expect_exact(small, setup, share * most, tally);
        }
      }
    }
  }
  EXPECT_GT(tally.mixed, 20);
  EXPECT_GT(tally.none, 0);
}

TEST(StageChoice, WhatItAddsToAStepIsNeverLessThanItsBound) {
  TrainingSetup setup = setup_of(8);
  const double most = setup_memory(network(), setup).total().value();
  const Seconds even = estimate_even_step(network(), setup, cluster()).total();
  for (const double share : {1.0, 0.8, 0.7, 0.6}) {
    const StageOptions options{.memory = Bytes(share * most), .recomputes = kAll};
    StageChoice choice(network(), setup, cluster(), options);
    const std::optional<Seconds> added = choice.added_at_least();
    ASSERT_TRUE(added.has_value());
    const Seconds step = estimate_step(network(), choice.choose().value(), cluster()).total();
    EXPECT_GE(step, (even + *added) * (1.0 - 1e-12)) << share;
  }
}

}  // namespace
}  // namespace sextant
