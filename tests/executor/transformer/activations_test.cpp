#include "executor/transformer/activations.h"

#include <functional>

#include <gtest/gtest.h>

#include "executor/runtime/runtime.h"

namespace sextant {
namespace {

Dimensions small_dimensions(int ep, int esp) {
  Network network;
  network.vocabulary = 5;
  network.layers = 2;
  network.model_dim = 4;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 2;
  network.expert_hidden_dim = 8;
  network.num_experts = 4;
  network.top_k = 1;
  const StepShape step{.network = network,
                       .layout = ParallelLayout({.dp = ep * esp, .ep = ep, .esp = esp}, {1, ep * esp}),
                       .micro_batch = 2,
                       .sequence = 4};
  return dimensions_of(step, {});
}

void with_buffers(int ep, int esp,
                  const std::function<void(const MicroBatchActivations<float>&, const Dimensions&)>& body) {
  launch(Backend::kLocal, {.num_ranks = 1, .topology = {}}, [&](World& world) {
    const Dimensions dims = small_dimensions(ep, esp);
    body(MicroBatchActivations<float>(world.device(), dims, /*splits_expert_backward=*/true), dims);
    return 0;
  });
}

TEST(ForwardExchange, OneRankOrdersRowsStraightIntoTheExpertsInput) {
  with_buffers(1, 1, [](const MicroBatchActivations<float>& a, const Dimensions& dims) {
    const ExchangeBuffers<float> buffers = forward_exchange(dims, a, 1);
    EXPECT_EQ(buffers.sent, a.layers[1].expert_input.data());
    EXPECT_EQ(buffers.gathered, buffers.sent);
    EXPECT_EQ(buffers.result, a.layers[1].combined.data());
    EXPECT_EQ(buffers.partial, buffers.result);
  });
}

// A collective may not read and write the same buffer; whatever has no collective is the same buffer.
void expect_steps(const ExchangeBuffers<float>& buffers, int ep, int esp) {
  EXPECT_EQ(buffers.sent == buffers.received, ep == 1);
  EXPECT_EQ(buffers.received == buffers.gathered, esp == 1);
  EXPECT_EQ(buffers.partial == buffers.scattered, esp == 1);
  EXPECT_EQ(buffers.scattered == buffers.result, ep == 1);
}

TEST(ForwardExchange, CollectivesChangeBuffersAndNothingElseDoes) {
  for (const auto& [ep, esp] : {std::pair{2, 1}, {1, 2}, {2, 2}}) {
    with_buffers(ep, esp, [ep = ep, esp = esp](const MicroBatchActivations<float>& a, const Dimensions& dims) {
      SCOPED_TRACE(testing::Message() << "ep " << ep << " esp " << esp);
      const ExchangeBuffers<float> buffers = forward_exchange(dims, a, 0);
      expect_steps(buffers, ep, esp);
      EXPECT_EQ(buffers.sent, a.sent.data());
      EXPECT_EQ(buffers.result, a.layers[0].combined.data());
    });
  }
}

TEST(BackwardExchange, CollectivesChangeBuffersAndNothingElseDoes) {
  for (const auto& [ep, esp] : {std::pair{2, 1}, {1, 2}, {2, 2}}) {
    with_buffers(ep, esp, [ep = ep, esp = esp](const MicroBatchActivations<float>& a, const Dimensions& dims) {
      SCOPED_TRACE(testing::Message() << "ep " << ep << " esp " << esp);
      expect_steps(backward_exchange(dims, a), ep, esp);
    });
  }
}

TEST(BackwardExchange, OneRankKeepsTheOutputsGradientWhileTheInputsIsWritten) {
  with_buffers(1, 1, [](const MicroBatchActivations<float>& a, const Dimensions& dims) {
    const ExchangeBuffers<float> buffers = backward_exchange(dims, a);
    EXPECT_NE(buffers.gathered, buffers.partial);
  });
}

TEST(WeightGradientStash, LayersTakeTurns) {
  with_buffers(2, 1, [](const MicroBatchActivations<float>& a, const Dimensions&) {
    EXPECT_NE(&a.stash_of(0), &a.stash_of(1));
    EXPECT_EQ(&a.stash_of(0), &a.stash_of(kStashedLayers));
    EXPECT_EQ(a.stash_of(0).output_gradient.size(), a.layers[0].expert_input.size());
    EXPECT_EQ(a.stash_of(0).hidden.size(), a.layers[0].expert_saved.size());
  });
}

}  // namespace
}  // namespace sextant
