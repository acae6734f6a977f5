#include "planner/schedule.h"

#include <array>

#include "models/error.h"

namespace sextant {
namespace {

constexpr std::array<const char*, kNumPolicies> kPolicyNames = {"sequential",   "tutel", "tutel_improved", "lina",
                                                                "fsmoe_no_iio", "fsmoe", "searched"};

// Unit u (models/work.h) is the head for 0, layer `layers - u` up to `layers`, then the embedding.
GradientSlot slot_of_unit(const StepShape& step, Policy policy, int unit) {
  const int layer = step.network.layers - unit;  // the head counts as layer `layers`, the embedding as -1
  if (layer < 0) return {GradientSlot::Kind::kTail, 0};
  if (policy == Policy::kSequential || policy == Policy::kTutel) return {GradientSlot::Kind::kAfterLayer, layer};
  if (layer == 0) return {GradientSlot::Kind::kTail, 0};
  return {GradientSlot::Kind::kDense, layer - 1};
}

}  // namespace

const char* to_text(Policy policy) {
  return kPolicyNames[static_cast<std::size_t>(policy)];
}

std::optional<Policy> policy_from_text(std::string_view text) {
  for (int p = 0; p < kNumPolicies; ++p) {
    if (text == kPolicyNames[p]) return static_cast<Policy>(p);
  }
  return std::nullopt;
}

std::vector<Policy> all_policies() {
  std::vector<Policy> policies;
  for (int p = 0; p < kNumPolicies; ++p) policies.push_back(static_cast<Policy>(p));
  return policies;
}

std::vector<Policy> published_policies() {
  std::vector<Policy> policies = all_policies();
  std::erase(policies, Policy::kSearched);
  return policies;
}

const char* to_text(GradientSlot::Kind kind) {
  switch (kind) {
    case GradientSlot::Kind::kMoe:
      return "moe";
    case GradientSlot::Kind::kDense:
      return "dense";
    case GradientSlot::Kind::kAfterLayer:
      return "after_layer";
    case GradientSlot::Kind::kTail:
      return "tail";
  }
  return "?";
}

bool has_link_queues(Policy policy) {
  return policy == Policy::kFsmoe || policy == Policy::kSearched;
}

std::vector<GradientSlice> whole_unit_slices(const StepShape& step, Policy policy) {
  std::vector<GradientSlice> slices;
  std::array<std::int64_t, kNumGroupKinds> offset{};
  for (int unit = 0; unit < num_gradient_units(step); ++unit) {
    for (const GroupKind group : {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp}) {
      const std::int64_t elements = gradient_elements(step, group, unit);
      std::int64_t& begin = offset[static_cast<std::size_t>(group)];
      if (elements > 0 && step.layout.group_size(group) > 1) {
        slices.push_back({group, begin, begin + elements, slot_of_unit(step, policy, unit)});
      }
      begin += elements;
    }
  }
  return slices;
}

std::int64_t most_tasks(const StepShape& step, const Schedule& schedule) {
  constexpr std::int64_t kOfMicroBatch = 5;  // embedding and head in both phases, the balance of the experts
  constexpr std::int64_t kOfLayer = 10;      // both phases: attention and its collectives, route, unroute
  constexpr std::int64_t kOfChunk = 5;       // dispatch, gather, expert, scatter, combine
  constexpr std::int64_t kOfUpdate = 3;
  const std::int64_t of_backward_chunk = kOfChunk + (schedule.overlap.split_expert_backward ? 1 : 0);
  std::int64_t tasks = kOfMicroBatch;
  for (const LayerDegrees& degrees : schedule.degrees) {
    tasks += kOfLayer + kOfChunk * degrees.forward + of_backward_chunk * degrees.backward;
  }
  return tasks * step.num_micro_batches + static_cast<std::int64_t>(schedule.gradients.size()) + kOfUpdate;
}

}  // namespace sextant
