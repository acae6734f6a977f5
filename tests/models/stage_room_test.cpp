#include "models/stage_room.h"

#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

const std::string kNetworks = SEXTANT_SOURCE_DIR "/configs/networks/";

TrainingSetup setup_of(int pp, PipelineSchedule pipeline) {
  return {.degrees = {.pp = pp, .dp = 8, .edp = 1, .ep = 8},
          .num_micro_batches = 6,
          .sequence = 4096,
          .pipeline = pipeline,
          .fused_attention = false};
}

// Of every range of layers, a byte less and a byte more than it takes.
TEST(StageRoom, SaysWhatTheMemoryTermByTermSays) {
  Network network = load_network(kNetworks + "deepseek_v3.yaml");  // 61 layers, the first three dense
  network.layers = 12;
  network.dense.layers = {0, 1, 2, 7};
  for (const PipelineSchedule pipeline : {PipelineSchedule::k1F1B, PipelineSchedule::kZeroBubble}) {
    for (const int pp : {1, 2, 5}) {
      const TrainingSetup setup = setup_of(pp, pipeline);
      const StageMemory memory(network, setup);
      for (const StageLayers layers :
           {StageLayers{0, 0, 2}, StageLayers{0, 0, 8}, StageLayers{pp - 1, 3, 12}, StageLayers{pp - 1, 8, 12},
            StageLayers{pp / 2, 2, 6}, StageLayers{pp / 2, 4, 7}}) {
        for (const Recompute recompute : {Recompute::kNone, Recompute::kSelective, Recompute::kFull}) {
          const Bytes total = memory.total(layers, recompute);
          EXPECT_TRUE(StageRoom(memory, setup, total).fits(layers, recompute));
          EXPECT_TRUE(StageRoom(memory, setup, total * 1.1).fits(layers, recompute));
          EXPECT_FALSE(StageRoom(memory, setup, Bytes(std::nextafter(total.value(), 0.0))).fits(layers, recompute));
          EXPECT_FALSE(StageRoom(memory, setup, total * 0.9).fits(layers, recompute));
        }
      }
    }
  }
}

TEST(StageRoom, AgreesOnEveryRangeOfEveryStage) {
  Network network = load_network(kNetworks + "deepseek_v3.yaml");
  for (const int pp : {2, 16}) {
    const TrainingSetup setup = setup_of(pp, PipelineSchedule::k1F1B);
    const StageMemory memory(network, setup);
    const Bytes limit = memory.total({0, 0, network.layers / pp}, Recompute::kSelective);
    StageRoom room(memory, setup, limit);
    int fitting = 0;
    for (int stage = 0; stage < pp; ++stage) {
      for (int begin = 0; begin < network.layers; ++begin) {
        for (int end = begin + 1; end <= network.layers; ++end) {
          for (const Recompute recompute : {Recompute::kNone, Recompute::kFull}) {
            const bool fits = memory.total({stage, begin, end}, recompute) <= limit;
            ASSERT_EQ(room.fits({stage, begin, end}, recompute), fits) << stage << ": " << begin << " to " << end;
            if (fits) ++fitting;
          }
        }
      }
    }
    EXPECT_GT(fitting, 100);
  }
}

TEST(StageRoom, NotOfDevicesThatHoldTwoStages) {
  const Network network = load_network(kNetworks + "deepseek_v3.yaml");
  const TrainingSetup setup = setup_of(2, PipelineSchedule::kDualPipe);
  const StageMemory memory(network, setup);
  EXPECT_THROW(StageRoom(memory, setup, Bytes(1e9)), InternalError);
}

}  // namespace
}  // namespace sextant
