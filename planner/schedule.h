// What a schedule policy decides: pipeline degrees, gradient slices and where they go.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "models/layout.h"
#include "planner/task_graph.h"

namespace sextant {

// Section 6 of the FSMoE spec; the published system in brackets.
enum class Policy {
  kSequential,     // one queue, r = 1, gradients after each layer       [DeepSpeed-MoE]
  kTutel,          // one communication queue, gradients after each layer [Tutel with PipeMoE]
  kTutelImproved,  // ... gradients under the dense part
  kFsmoeNoIio,     // one communication queue, partitioned gradients
  kFsmoe,          // inter, intra and compute queues, partitioned gradients
};
inline constexpr int kNumPolicies = 5;
[[nodiscard]] const char* to_text(Policy policy);
[[nodiscard]] std::optional<Policy> policy_from_text(std::string_view text);
[[nodiscard]] std::vector<Policy> all_policies();

struct LayerDegrees {
  int forward = 1;
  int backward = 1;
  bool operator==(const LayerDegrees&) const = default;
};

// Where in the backward of the last micro-batch a gradient slice is reduced.
struct GradientSlot {
  enum class Kind {
    kMoe,    // between the last dispatch and the first combine of `layer`
    kDense,  // beside the attention of `layer`
    kTail,   // after the backward of layer 0
  };
  Kind kind = Kind::kTail;
  int layer = 0;
  bool operator==(const GradientSlot&) const = default;
};

// Elements [begin, end) of the flat gradient buffer of `group`.
struct GradientSlice {
  GroupKind group = GroupKind::kDp;
  std::int64_t begin = 0;
  std::int64_t end = 0;
  GradientSlot slot;
  bool operator==(const GradientSlice&) const = default;
};

struct Schedule {
  Policy policy = Policy::kFsmoe;
  std::vector<LayerDegrees> degrees;     // [layer]
  std::vector<GradientSlice> gradients;  // partitioning policies only; covers every buffer once, in order
  bool operator==(const Schedule&) const = default;
};

// The task graph of one training step of one rank under `schedule`. Throws InternalError when the
// schedule does not fit the step (wrong number of degrees, gradients not covered).
[[nodiscard]] TaskGraph build_step_graph(const StepShape& step, const Schedule& schedule);

}  // namespace sextant
