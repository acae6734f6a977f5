// A small plan with costs known by hand and a made-up measurement of it, for tests of what tools write.
#pragma once

#include <vector>

#include "executor/trainer.h"
#include "models/network.h"
#include "planner/schedule.h"
#include "tests/fakes/fake_cost_model.h"
#include "tools/run_summary.h"

namespace sextant {

inline Network example_network() {
  Network network;
  network.name = "example";
  network.layers = 1;
  network.model_dim = 8;
  network.heads = 2;
  network.kv_heads = 2;
  network.head_dim = 4;
  network.expert_hidden_dim = 16;
  network.num_experts = 2;
  network.top_k = 1;
  return network;
}

// dp 2, ep 2 on one node, tutel_improved with r_fwd 2 and r_bwd 1.
inline Plan example_plan() {
  StepShape step{.network = example_network(),
                 .layout = ParallelLayout({.dp = 2, .ep = 2}, {.nodes = 1, .devices_per_node = 2}),
                 .micro_batch = 1,
                 .num_micro_batches = 1,
                 .sequence = 8};
  Schedule schedule{.policy = Policy::kTutelImproved,
                    .degrees = {{.forward = 2, .backward = 1}},
                    .gradients = whole_unit_slices(step, Policy::kTutelImproved)};
  Plan plan{.step = step,
            .schedule = schedule,
            .prediction = {},
            .network_hash = "n",
            .cluster_hash = "c",
            .cluster_name = "example"};
  plan.prediction.step_time = Seconds(0.5);
  plan.prediction.step_time_low = Seconds(0.4);
  plan.prediction.step_time_high = Seconds(0.75);
  plan.prediction.lower_bound = Seconds(0.4);
  plan.prediction.exposed_communication = Seconds(0.125);
  plan.prediction.peak_memory = Bytes(1048576.0);
  return plan;
}

// Kernels take 2 ms, collectives 1 ms.
inline FakeCostModel example_costs() {
  return {[](const KernelWork&) { return Seconds(0.002); }, [](const CollectiveWork&) { return Seconds(0.001); }};
}

// Every task of every rank measured at twice its predicted time.
inline TrainSummary example_summary(const Plan& plan, const StepPrediction& prediction) {
  TrainSummary summary;
  summary.graph = build_step_graph(plan.step, plan.schedule);
  Timeline measured = *prediction.timeline;
  for (TaskSpan& span : measured.spans) span = {.start = 2.0 * span.start, .end = 2.0 * span.end};
  summary.traced = {.step = 7, .ranks = {measured, measured}};
  StepRecord record;
  record.step = 10;
  record.result.loss = 2.5;
  record.step_time = 2.0 * prediction.step_time;
  record.tokens_per_s = 1000.0;
  summary.records = {record};
  summary.num_warmup = 3;
  summary.step_time = {
      .mean = record.step_time, .median = record.step_time, .p10 = record.step_time, .p90 = record.step_time};
  summary.tokens_per_s = 1000.0;
  summary.first_loss = 5.5;
  summary.last_loss = 2.5;
  summary.measured = resource_use(summarize(summary.graph, measured));
  return summary;
}

}  // namespace sextant
