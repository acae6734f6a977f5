#include "executor/transformer/state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "executor/runtime/runtime.h"
#include "models/error.h"

namespace sextant {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

StepShape small_step() {
  Network network;
  network.vocabulary = 5;
  network.layers = 1;
  network.model_dim = 4;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 2;
  network.expert_hidden_dim = 3;
  network.num_experts = 2;
  network.top_k = 1;
  return {.network = network, .layout = ParallelLayout({}, {1, 1}), .micro_batch = 2, .sequence = 4};
}

std::vector<std::int32_t> sources_of(SourcePartition sources) {
  std::vector<std::int32_t> result;
  launch(Backend::kLocal, {.num_ranks = 1, .topology = {}}, [&](World& world) {
    result = TransformerState<float>(small_step(), world, 1, {.sources = sources}).source;
    return 0;
  });
  return result;
}

TEST(TransformerState, SourceOfATokenIsTheRankThatWouldHoldIt) {
  // Two samples of four tokens: dp cuts the samples, tp the sequence; rank = dp index * tp + tp index.
  EXPECT_THAT(sources_of({.dp = 2, .tp = 1}), ElementsAre(0, 0, 0, 0, 1, 1, 1, 1));
  EXPECT_THAT(sources_of({.dp = 1, .tp = 2}), ElementsAre(0, 0, 1, 1, 0, 0, 1, 1));
  EXPECT_THAT(sources_of({.dp = 2, .tp = 4}), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7));
  EXPECT_THAT(sources_of({}), IsEmpty());
}

TEST(TransformerState, SourcesMustDivideTheTokens) {
  EXPECT_THROW(sources_of({.dp = 3, .tp = 1}), InternalError);
  EXPECT_THROW(sources_of({.dp = 1, .tp = 3}), InternalError);
}

TEST(TransformerState, RefusesGroupsOfAnotherLayout) {
  EXPECT_THROW(launch(Backend::kLocal, {.num_ranks = 2, .topology = {}},
                      [&](World& world) {
                        StepShape step = small_step();
                        step.layout = ParallelLayout({.dp = 2, .edp = 2}, {1, 2});
                        const auto groups = std::make_shared<LayoutGroups>(world, step.layout);
                        EXPECT_EQ(TransformerState<float>(step, world, 1, {.groups = groups}).groups, groups);
                        step.layout = ParallelLayout({.dp = 2, .ep = 2}, {1, 2});
                        TransformerState<float>(step, world, 1, {.groups = groups});
                        return 0;
                      }),
               InternalError);
}

TEST(TransformerState, RefusesALayoutForAnotherRankCount) {
  StepShape step = small_step();
  step.layout = ParallelLayout({.dp = 2, .edp = 2}, {1, 2});
  EXPECT_THROW(launch(Backend::kLocal, {.num_ranks = 1, .topology = {}},
                      [&](World& world) {
                        TransformerState<float>(step, world, 1, {});
                        return 0;
                      }),
               ConfigError);
}

}  // namespace
}  // namespace sextant
