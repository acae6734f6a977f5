#include "planner/gradient_partition.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "models/error.h"
#include "planner/moe_block.h"

namespace sextant {
namespace {

constexpr std::array<GroupKind, 3> kReducingGroups = {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp};

// One group's flat buffer while it is being cut.
struct Buffer {
  GroupKind group;
  std::vector<std::int64_t> unit_ends;  // [unit]
  std::int64_t issued = 0;              // elements cut so far
};

std::vector<Buffer> buffers_of(const StepShape& step) {
  std::vector<Buffer> buffers;
  for (const GroupKind group : kReducingGroups) {
    if (step.layout.group_size(group) == 1) continue;
    Buffer buffer{group, {}, 0};
    std::int64_t end = 0;
    for (int unit = 0; unit < num_gradient_units(step); ++unit) {
      end += gradient_elements(step, group, unit);
      buffer.unit_ends.push_back(end);
    }
    if (end > 0) buffers.push_back(std::move(buffer));
  }
  return buffers;
}

Seconds reduce_time(const StepShape& step, const CostModel& costs, GroupKind group, std::int64_t elements) {
  return costs.collective(gradient_reduce_work(step, group, elements)).time;
}

// Most elements of at most `available` whose reduction takes no longer than `room`: g(t) of the paper.
std::int64_t elements_that_fit(const StepShape& step, const CostModel& costs, GroupKind group, std::int64_t available,
                               Seconds room) {
  if (reduce_time(step, costs, group, available) <= room) return available;
  std::int64_t fits = 0, too_many = available;
  while (too_many - fits > std::max<std::int64_t>(1, available / 1024)) {
    const std::int64_t middle = fits + (too_many - fits) / 2;
    (reduce_time(step, costs, group, middle) <= room ? fits : too_many) = middle;
  }
  return fits;
}

// The last unit whose gradients exist when `slot` is issued: in a MoE slot those of the layers above,
// in a dense slot the experts of the layer itself as well.
int last_ready_unit(const StepShape& step, GroupKind group, const GradientSlot& slot) {
  const int unit_of_layer = step.network.layers - slot.layer;
  const bool own = slot.kind == GradientSlot::Kind::kDense && group == GroupKind::kEdp;
  return own ? unit_of_layer : unit_of_layer - 1;
}

}  // namespace

std::vector<GradientWindow> gradient_windows(const StepShape& step, const CostModel& costs, Policy policy,
                                             const std::vector<LayerDegrees>& degrees) {
  const BlockQueues queues = block_queues(step, policy);
  const Seconds attention = costs.kernel(attention_work(step, Pass::kBackward)).time;
  std::vector<GradientWindow> windows;
  for (int layer = step.network.layers - 1; layer >= 0; --layer) {
    const int degree = degrees[static_cast<std::size_t>(layer)].backward;
    const ChunkTimes chunk = chunk_times(step, costs, Pass::kBackward, degree);
    windows.push_back({{GradientSlot::Kind::kMoe, layer},
                       gradient_window(chunk, degree, costs.launch_latency(), queues)});
    windows.push_back({{GradientSlot::Kind::kDense, layer}, attention});
  }
  return windows;
}

std::vector<GradientSlice> partition_greedily(const StepShape& step, const CostModel& costs,
                                              const std::vector<GradientWindow>& windows) {
  std::vector<Buffer> buffers = buffers_of(step);
  std::vector<GradientSlice> slices;
  for (const GradientWindow& window : windows) {
    Seconds room = window.room;
    for (Buffer& buffer : buffers) {
      const int unit = last_ready_unit(step, buffer.group, window.slot);
      const std::int64_t ready = unit < 0 ? 0 : buffer.unit_ends[static_cast<std::size_t>(unit)];
      if (ready <= buffer.issued) continue;
      const std::int64_t taken = elements_that_fit(step, costs, buffer.group, ready - buffer.issued, room);
      if (taken == 0) continue;
      slices.push_back({buffer.group, buffer.issued, buffer.issued + taken, window.slot});
      room -= reduce_time(step, costs, buffer.group, taken);
      buffer.issued += taken;
    }
  }
  for (const Buffer& buffer : buffers) {
    if (buffer.issued < buffer.unit_ends.back()) {
      slices.push_back({buffer.group, buffer.issued, buffer.unit_ends.back(), {GradientSlot::Kind::kTail, 0}});
    }
  }
  return slices;
}

}  // namespace sextant
