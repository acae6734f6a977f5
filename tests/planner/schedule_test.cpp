#include "planner/schedule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/planner/small_step.h"

namespace sextant {
namespace {

using ::testing::ElementsAre;
using Kind = GradientSlot::Kind;

// The slots of the slices of `group` in order of issue.
std::vector<GradientSlot> slots(const std::vector<GradientSlice>& slices, GroupKind group) {
  std::vector<GradientSlot> result;
  for (const GradientSlice& slice : slices) {
    if (slice.group == group) result.push_back(slice.slot);
  }
  return result;
}

TEST(PolicyText, ReadsBackForEveryPolicy) {
  EXPECT_EQ(all_policies().size(), static_cast<std::size_t>(kNumPolicies));
  for (const Policy policy : all_policies()) EXPECT_EQ(policy_from_text(to_text(policy)), policy);
  EXPECT_EQ(policy_from_text("FSMoE"), std::nullopt);
}

TEST(HasLinkQueues, OnlyFsmoeOverlapsTheTwoLinks) {
  for (const Policy policy : all_policies()) {
    EXPECT_EQ(has_link_queues(policy), policy == Policy::kFsmoe || policy == Policy::kSearched);
  }
}

TEST(WholeUnitSlices, CoverTheBufferOfEveryGroupOnceInOrder) {
  const StepShape step = small_step(3);
  for (const Policy policy : all_policies()) {
    const std::vector<GradientSlice> slices = whole_unit_slices(step, policy);
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      std::int64_t volume = 0, covered = 0;
      for (int unit = 0; unit < num_gradient_units(step); ++unit) volume += gradient_elements(step, group, unit);
      for (const GradientSlice& slice : slices) {
        if (slice.group != group) continue;
        EXPECT_EQ(slice.begin, covered);
        covered = slice.end;
      }
      EXPECT_EQ(covered, step.layout.group_size(group) > 1 ? volume : 0) << to_text(policy) << to_text(group);
    }
  }
}

TEST(WholeUnitSlices, TutelReducesALayerRightAfterIt) {
  // Units of the two layers in the order of the backward; attention weights are reduced over dp.
  for (const Policy policy : {Policy::kSequential, Policy::kTutel}) {
    EXPECT_THAT(slots(whole_unit_slices(small_step(2), policy), GroupKind::kDp),
                ElementsAre(GradientSlot{Kind::kAfterLayer, 1}, GradientSlot{Kind::kAfterLayer, 0}));
  }
}

TEST(WholeUnitSlices, TutelReducesTheHeadAfterItAndTheEmbeddingInTheTail) {
  EXPECT_THAT(slots(whole_unit_slices(small_step(2), Policy::kTutel), GroupKind::kStage),
              ElementsAre(GradientSlot{Kind::kAfterLayer, 2}, GradientSlot{Kind::kAfterLayer, 1},
                          GradientSlot{Kind::kAfterLayer, 0}, GradientSlot{Kind::kTail, 0}));
}

TEST(WholeUnitSlices, TutelImprovedReducesALayerBesideTheAttentionOfTheNext) {
  EXPECT_THAT(slots(whole_unit_slices(small_step(3), Policy::kTutelImproved), GroupKind::kDp),
              ElementsAre(GradientSlot{Kind::kDense, 1}, GradientSlot{Kind::kDense, 0}, GradientSlot{Kind::kTail, 0}));
}

TEST(WholeUnitSlices, AreEmptyOnOneRank) {
  const StepShape step{small_network(2), ParallelLayout({}, {}), 1, 1, 480, 4};
  EXPECT_TRUE(whole_unit_slices(step, Policy::kTutel).empty());
}

TEST(MostTasks, BoundsTheGraphOfEveryPolicy) {
  StepShape step = small_step(2);
  step.num_micro_batches = 3;
  for (const Policy policy : all_policies()) {
    Schedule schedule{policy, {}, whole_unit_slices(step, policy)};
    schedule.degrees.assign(static_cast<std::size_t>(step.network.layers), {2, 3});
    for (const bool splits : {false, true}) {
      schedule.overlap.split_expert_backward = splits;
      const auto tasks = static_cast<std::int64_t>(build_step_graph(step, schedule).tasks.size());
      EXPECT_LE(tasks, most_tasks(step, schedule));
      EXPECT_GE(tasks, most_tasks(step, schedule) / 3);
    }
  }
}

}  // namespace
}  // namespace sextant
