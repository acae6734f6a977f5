#include "tests/validation/fsmoe_paper/layer_time.h"

#include <algorithm>

#include "models/error.h"
#include "planner/fixed_chunks.h"
#include "planner/simulator.h"

namespace sextant::fsmoe_paper {
namespace {

using Kind = GradientSlot::Kind;
constexpr int kUpperLayerUnit = 1;  // unit 0 is the head, 2 the lower layer

// The upper layer's gradients over dp in the lower layer's slots, everything else in the tail.
std::vector<GradientSlice> partitioned(const StepShape& step, std::int64_t in_block) {
  std::vector<GradientSlice> slices;
  const std::int64_t upper = gradient_elements(step, GroupKind::kDp, kUpperLayerUnit);
  for (GradientSlice slice : whole_unit_slices(step, Policy::kFsmoe)) {
    const bool of_upper_layer = slice.group == GroupKind::kDp && slice.begin < upper;
    slice.slot = {Kind::kTail, 0};
    if (!of_upper_layer) {
      slices.push_back(slice);
      continue;
    }
    if (in_block > 0) slices.push_back({slice.group, 0, in_block, {Kind::kMoe, 0}});
    if (in_block < upper) slices.push_back({slice.group, in_block, upper, {Kind::kDense, 0}});
  }
  return slices;
}

// End of the last task of `layer` in `phase`; of the tail nothing.
Seconds end_of_layer(const TaskGraph& graph, const Timeline& timeline, Phase phase, int layer, bool gradients) {
  Seconds end;
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    const Task& task = graph.tasks[id];
    if (task.phase != phase || task.layer != layer) continue;
    if (task.kind == TaskKind::kGradientReduce && !gradients) continue;
    end = std::max(end, timeline.spans[id].end);
  }
  return end;
}

// End of the reduction of the upper layer's gradients.
Seconds end_of_reduction(const StepShape& step, const TaskGraph& graph, const Timeline& timeline) {
  const std::int64_t upper = gradient_elements(step, GroupKind::kDp, kUpperLayerUnit);
  Seconds end;
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    const Task& task = graph.tasks[id];
    const bool of_upper_layer =
        task.kind == TaskKind::kGradientReduce && task.group == GroupKind::kDp && task.gradient_end <= upper;
    if (of_upper_layer) end = std::max(end, timeline.spans[id].end);
  }
  return end;
}

}  // namespace

Schedule two_layer_schedule(const StepShape& two_layers, const LayerPlan& plan, const CostModel& costs) {
  SEXTANT_CHECK(two_layers.network.layers == 2, "{} layers", two_layers.network.layers);
  Schedule schedule{plan.policy, {plan.degrees, {1, 1}}, {}};
  switch (plan.policy) {
    case Policy::kLina:
      schedule.gradients = fixed_chunk_slices(two_layers, costs, schedule.degrees, kLinaChunk);
      break;
    case Policy::kFsmoe:
    case Policy::kFsmoeNoIio:
      schedule.gradients = partitioned(two_layers, plan.in_block);
      break;
    default:
      schedule.gradients = whole_unit_slices(two_layers, plan.policy);
      break;
  }
  return schedule;
}

Seconds layer_time(const StepShape& two_layers, const Schedule& schedule, const CostModel& costs) {
  const TaskGraph graph = build_step_graph(two_layers, schedule);
  const Timeline timeline = simulate(graph, costs);
  const Seconds forward = end_of_layer(graph, timeline, Phase::kForward, 0, false);
  // The upper layer's backward ends with its attention, before its gradients are reduced.
  const Seconds start = end_of_layer(graph, timeline, Phase::kBackward, 1, false);
  const Seconds end = std::max(end_of_layer(graph, timeline, Phase::kBackward, 0, false),
                               end_of_reduction(two_layers, graph, timeline));
  return forward + end - start;
}

}  // namespace sextant::fsmoe_paper
