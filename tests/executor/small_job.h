// A network small enough to train in milliseconds, on any layout, with ranks as threads.
#pragma once

#include <cmath>
#include <cstdint>
#include <functional>
#include <vector>

#include "executor/data.h"
#include "executor/runtime/runtime.h"
#include "models/network.h"
#include "models/work.h"
#include "planner/plan.h"
#include "planner/schedule.h"

namespace sextant {

// Capacity factor 2 with top_k 2 of 4 experts: an expert has room for every token, so none is dropped.
inline Network small_network() {
  Network network;
  network.name = "small";
  network.vocabulary = 64;
  network.layers = 2;
  network.model_dim = 16;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 8;
  network.expert_hidden_dim = 16;
  network.num_experts = 4;
  network.top_k = 2;
  network.capacity_factor = 2.0;
  network.aux_loss_coefficient = 0.01;
  return network;
}

// A plan for `degrees` whose global batch is 4 samples of 16 tokens in two micro-batches.
inline Plan small_plan(const ParallelDegrees& degrees, Policy policy = Policy::kFsmoe) {
  const int ranks = degrees.pp * degrees.dp * degrees.cp * degrees.tp;
  StepShape step{.network = small_network(),
                 .layout = ParallelLayout(degrees, {.nodes = 1, .devices_per_node = ranks}),
                 .micro_batch = 2 / degrees.dp,
                 .num_micro_batches = 2,
                 .sequence = 16};
  Schedule schedule{.policy = policy,
                    .degrees = {{.forward = 2, .backward = 1}, {.forward = 1, .backward = 3}},
                    .gradients = whole_unit_slices(step, policy)};
  if (policy == Policy::kSequential) schedule.degrees = {{1, 1}, {1, 1}};
  return {.step = step,
          .schedule = schedule,
          .prediction = {},
          .network_hash = {},
          .cluster_hash = {},
          .cluster_name = "none"};
}

// Periodic text of 64 different bytes: its unigram entropy is near ln 64, its next byte easy to learn.
inline Corpus small_corpus() {
  Corpus corpus{.bytes = {}, .num_files = 1};
  for (int i = 0; i < 4000; ++i) corpus.bytes.push_back(static_cast<std::uint8_t>(i * 5 % 64));
  return corpus;
}

inline void run_local(int num_ranks, const std::function<void(World&)>& body) {
  LaunchOptions options;
  options.num_ranks = num_ranks;
  launch(Backend::kLocal, options, [&](World& world) {
    body(world);
    return 0;
  });
}

}  // namespace sextant
