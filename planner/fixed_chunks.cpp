#include "planner/fixed_chunks.h"

#include <algorithm>
#include <cmath>
#include <deque>

#include "models/error.h"
#include "planner/moe_block.h"

namespace sextant {
namespace {

// A chunk that waits for idle time; `unit` is what completes its gradients.
struct Chunk {
  GradientSlice slice;
  int unit;
};

// All chunks by group, in the order of the backward.
std::vector<std::deque<Chunk>> cut(const StepShape& step, Bytes chunk) {
  const auto most = static_cast<std::int64_t>(chunk.value() / step.element_bytes);
  SEXTANT_CHECK(most >= 1, "a chunk of {} holds no element", to_text(chunk));
  std::vector<std::deque<Chunk>> chunks;
  for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
    if (step.layout.group_size(group) == 1) continue;
    std::deque<Chunk>& of_group = chunks.emplace_back();
    std::int64_t begin = 0;
    for (int unit = 0; unit < num_gradient_units(step); ++unit) {
      const std::int64_t end = begin + gradient_elements(step, group, unit);
      for (; begin < end; begin = std::min(begin + most, end)) {
        of_group.push_back({{group, begin, std::min(begin + most, end), {}}, unit});
      }
    }
  }
  return chunks;
}

class Placement {
 public:
  Placement(const StepShape& step, const CostModel& costs, Bytes chunk)
      : step_(step), costs_(costs), waiting_(cut(step, chunk)) {}

  // Starts ready chunks in `slot` until its idle time of `room` is over, the longest-ready units first.
  void fill(const GradientSlot& slot, Seconds room) {
    while (room > Seconds(0.0)) {
      std::deque<Chunk>* next = first_ready(slot);
      if (next == nullptr) return;
      const GradientSlice& slice = next->front().slice;
      room -= costs_.collective(gradient_reduce_work(step_, slice.group, slice.end - slice.begin)).time;
      take(*next, slot);
    }
  }

  std::vector<GradientSlice> finish() {
    for (std::deque<Chunk>& chunks : waiting_) {
      while (!chunks.empty()) take(chunks, {GradientSlot::Kind::kTail, 0});
    }
    return std::move(placed_);
  }

 private:
  // In the slots of a layer the gradients of the layers above exist, beside its attention its own experts' too.
  bool is_ready(const Chunk& chunk, const GradientSlot& slot) const {
    const bool own_experts = slot.kind == GradientSlot::Kind::kDense && chunk.slice.group == GroupKind::kEdp;
    return chunk.unit < step_.network.layers - slot.layer + (own_experts ? 1 : 0);
  }

  std::deque<Chunk>* first_ready(const GradientSlot& slot) {
    std::deque<Chunk>* first = nullptr;
    for (std::deque<Chunk>& chunks : waiting_) {
      if (chunks.empty() || !is_ready(chunks.front(), slot)) continue;
      if (first == nullptr || chunks.front().unit < first->front().unit) first = &chunks;
    }
    return first;
  }

  void take(std::deque<Chunk>& chunks, const GradientSlot& slot) {
    placed_.push_back(chunks.front().slice);
    placed_.back().slot = slot;
    chunks.pop_front();
  }

  const StepShape& step_;
  const CostModel& costs_;
  std::vector<std::deque<Chunk>> waiting_;  // by group
  std::vector<GradientSlice> placed_;
};

}  // namespace

std::vector<GradientSlice> gradient_chunks(const StepShape& step, Bytes chunk) {
  std::vector<GradientSlice> slices;
  for (const std::deque<Chunk>& chunks : cut(step, chunk)) {
    for (const Chunk& one : chunks) slices.push_back(one.slice);
  }
  return slices;
}

std::vector<GradientSlice> fixed_chunk_slices(const StepShape& step, const CostModel& costs,
                                              const std::vector<LayerDegrees>& degrees, Bytes chunk) {
  Placement placement(step, costs, chunk);
  const Seconds attention = costs.kernel(attention_work(step, Pass::kBackward)).time;
  for (int layer = step.network.layers - 1; layer >= 0; --layer) {
    const int degree = degrees[static_cast<std::size_t>(layer)].backward;
    const ChunkTimes times = chunk_times(step, costs, Pass::kBackward, degree);
    const Seconds idle = gradient_window(times, degree, costs.launch_latency(), BlockQueues::kOneLink);
    placement.fill({GradientSlot::Kind::kMoe, layer}, idle);
    placement.fill({GradientSlot::Kind::kDense, layer}, attention);
  }
  return placement.finish();
}

}  // namespace sextant
