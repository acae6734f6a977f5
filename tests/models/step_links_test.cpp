#include "models/step_links.h"

#include <gtest/gtest.h>

namespace sextant {
namespace {

const Topology kNodesOfEight{.nodes = 16, .devices_per_node = 8};

TrainingSetup setup(const ParallelDegrees& degrees) {
  TrainingSetup setup;
  setup.degrees = degrees;
  return setup;
}

TEST(LinkOf, GroupsInsideANodeUseTheIntraTier) {
  // 8 consecutive ranks, and 4 ranks 2 apart: both end with rank 7 of a node of 8.
  const TrainingSetup inside = setup({.pp = 1, .dp = 16, .cp = 1, .tp = 8, .edp = 16, .ep = 4, .esp = 2});
  EXPECT_EQ(link_of(StepTerm::kTensorParallel, inside, kNodesOfEight), Resource::kIntra);
  EXPECT_EQ(link_of(StepTerm::kDispatch, inside, kNodesOfEight), Resource::kIntra);
  EXPECT_EQ(link_of(StepTerm::kExpertShard, inside, kNodesOfEight), Resource::kIntra);
  EXPECT_EQ(link_of(StepTerm::kGradients, inside, kNodesOfEight), Resource::kInter);
}

TEST(LinkOf, AGroupThatReachesBeyondItsNodeUsesTheInterTier) {
  // 8 ranks 2 apart reach over 16.
  const TrainingSetup across = setup({.pp = 8, .dp = 4, .cp = 2, .tp = 2, .edp = 1, .ep = 8, .esp = 2});
  EXPECT_EQ(link_of(StepTerm::kDispatch, across, kNodesOfEight), Resource::kInter);
  EXPECT_EQ(link_of(StepTerm::kContextParallel, across, kNodesOfEight), Resource::kIntra);
  EXPECT_EQ(link_of(StepTerm::kPipelineTransfer, across, kNodesOfEight), Resource::kInter);
}

TEST(LinkOf, ExpertsThatAreNotFoldedStrideOverTensorAndContextParallelism) {
  TrainingSetup spread = setup({.pp = 1, .dp = 32, .cp = 2, .tp = 2, .edp = 32, .ep = 4, .esp = 1});
  EXPECT_EQ(link_of(StepTerm::kDispatch, spread, kNodesOfEight), Resource::kIntra);  // 4 ranks, 1 apart
  spread.folded = false;
  EXPECT_EQ(link_of(StepTerm::kDispatch, spread, kNodesOfEight), Resource::kInter);  // 4 ranks, 4 apart
}

TEST(LinkOf, NothingIsSentInGroupsOfOneOrByComputation) {
  const TrainingSetup alone = setup({});
  for (int t = 0; t < kNumStepTerms; ++t) EXPECT_FALSE(link_of(StepTerm(t), alone, kNodesOfEight)) << t;
  EXPECT_FALSE(link_of(StepTerm::kProducts, setup({.dp = 8, .edp = 8}), kNodesOfEight));
}

TEST(TermClass, ExactlyTheTermsThatCanHaveALinkAreCommunication) {
  const TrainingSetup all = setup({.pp = 2, .dp = 2, .cp = 2, .tp = 2, .edp = 2, .ep = 2, .esp = 2});
  for (int t = 0; t < kNumStepTerms; ++t) {
    const auto term = StepTerm(t);
    EXPECT_EQ(link_of(term, all, kNodesOfEight).has_value(), class_of(term) == TermClass::kCommunication)
        << to_text(term);
  }
}

TEST(TermPhrase, NamesTheTierOfWhatIsExposed) {
  EXPECT_EQ(term_phrase(StepTerm::kDispatch, Resource::kInter), "exposed dispatch on the inter tier");
  EXPECT_EQ(term_phrase(StepTerm::kTensorParallel, std::nullopt), "exposed tensor parallel");
  EXPECT_EQ(term_phrase(StepTerm::kBubble, std::nullopt), "bubble");
}

}  // namespace
}  // namespace sextant
