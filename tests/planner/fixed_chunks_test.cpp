#include "planner/fixed_chunks.h"

#include <gtest/gtest.h>

#include "models/error.h"
#include "planner/simulator.h"
#include "tests/planner/small_step.h"

namespace sextant {
namespace {

using Kind = GradientSlot::Kind;

// Two layers of FSMoE's own layout. One rank reduces 4 * 8 * 8 / 2 = 128 elements of attention weights a
// layer over dp: 512 bytes.
constexpr std::int64_t kLayerElements = 128;

const std::vector<LayerDegrees> kOneChunk(2, LayerDegrees{1, 1});

// Attention takes `attention`, an expert chunk `expert`, reducing a slice over dp `reduce`.
FakeCostModel costs(Seconds attention, Seconds expert, Seconds reduce) {
  return {[=](const KernelWork& work) {
            if (work.op == Operator::kAttention) return attention;
            return work.op == Operator::kExpert ? expert : Seconds(0.0);
          },
          [=](const CollectiveWork& work) {
            return work.op == Collective::kAllReduce && !work.group.uses_intra() ? reduce : Seconds(0.0);
          }};
}

std::vector<GradientSlice> over_dp(const std::vector<GradientSlice>& slices) {
  std::vector<GradientSlice> result;
  for (const GradientSlice& slice : slices) {
    if (slice.group == GroupKind::kDp) result.push_back(slice);
  }
  return result;
}

TEST(FixedChunkSlices, CutEveryUnitIntoChunksOfAtMostTheSize) {
  // 200 bytes are 50 elements: 50, 50, 28 of each layer's 128.
  const StepShape step = small_step(2);
  const auto slices =
      over_dp(fixed_chunk_slices(step, costs(Seconds(0.0), Seconds(0.0), Seconds(1.0)), kOneChunk, Bytes(200.0)));
  ASSERT_EQ(gradient_elements(step, GroupKind::kDp, 1), kLayerElements);
  ASSERT_EQ(slices.size(), 6U);
  std::int64_t end = 0;
  for (std::size_t i = 0; i < slices.size(); ++i) {
    EXPECT_EQ(slices[i].begin, end);
    EXPECT_EQ(slices[i].end - slices[i].begin, i % 3 == 2 ? 28 : 50);
    end = slices[i].end;
  }
  EXPECT_EQ(end, 2 * kLayerElements);
}

TEST(FixedChunkSlices, WaitInTheTailWhereNothingIdles) {
  const StepShape step = small_step(2);
  for (const GradientSlice& slice :
       fixed_chunk_slices(step, costs(Seconds(0.0), Seconds(0.0), Seconds(1.0)), kOneChunk, Bytes(200.0))) {
    EXPECT_EQ(slice.slot, (GradientSlot{Kind::kTail, 0}));
  }
}

TEST(FixedChunkSlices, StartWhileTheExpertsComputeAndMayOutlastThem) {
  // The queue idles 5 s beside the experts of layer 0; chunks of 3 s start at 0 and 3, the second ends
  // at 6. The third goes beside the attention, which takes 1 s.
  const StepShape step = small_step(2);
  const auto slices =
      over_dp(fixed_chunk_slices(step, costs(Seconds(1.0), Seconds(5.0), Seconds(3.0)), kOneChunk, Bytes(200.0)));
  EXPECT_EQ(slices[0].slot, (GradientSlot{Kind::kMoe, 0}));
  EXPECT_EQ(slices[1].slot, (GradientSlot{Kind::kMoe, 0}));
  EXPECT_EQ(slices[2].slot, (GradientSlot{Kind::kDense, 0}));
  EXPECT_EQ(slices[3].slot, (GradientSlot{Kind::kTail, 0}));
}

TEST(FixedChunkSlices, DelayTheCombineThatTheyOutlast) {
  // One chunk of a whole layer: 20 s beside experts of 5 s, so the block of layer 0 takes 20 s instead of
  // 5; three other blocks of 5 s and the second layer's 20 s in the tail: 55 s.
  const StepShape step = small_step(2);
  const FakeCostModel model = costs(Seconds(0.0), Seconds(5.0), Seconds(20.0));
  const Schedule schedule{Policy::kLina, kOneChunk, fixed_chunk_slices(step, model, kOneChunk, Bytes(512.0))};
  EXPECT_EQ(simulate(build_step_graph(step, schedule), model).makespan(), Seconds(55.0));
}

TEST(FixedChunkSlices, AreNeverIssuedBeforeTheirGradientsExist) {
  // Room everywhere: the graph refuses slices without gradients.
  StepShape step = small_step(3, {.dp = 4, .edp = 2, .ep = 2});
  const std::vector<LayerDegrees> degrees(3, LayerDegrees{2, 2});
  const FakeCostModel model = costs(Seconds(100.0), Seconds(100.0), Seconds(1.0));
  const Schedule schedule{Policy::kLina, degrees, fixed_chunk_slices(step, model, degrees, Bytes(100.0))};
  EXPECT_NO_THROW(static_cast<void>(build_step_graph(step, schedule)));
  bool in_block = false, own_experts = false;
  for (const GradientSlice& slice : schedule.gradients) {
    in_block = in_block || slice.slot.kind == Kind::kMoe;
    own_experts = own_experts || (slice.group == GroupKind::kEdp && slice.slot == GradientSlot{Kind::kDense, 2});
  }
  EXPECT_TRUE(in_block);
  EXPECT_TRUE(own_experts);
}

TEST(FixedChunkSlices, RefuseAChunkWithoutElements) {
  const StepShape step = small_step(2);
  EXPECT_THROW(static_cast<void>(fixed_chunk_slices(step, costs({}, {}, {}), kOneChunk, Bytes(3.0))), InternalError);
}

}  // namespace
}  // namespace sextant
