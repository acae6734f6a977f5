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
  kLina,           // ... gradients in fixed chunks where the queue idles     [PipeMoE with Lina]
  kFsmoeNoIio,     // one communication queue, partitioned gradients
  kFsmoe,          // inter, intra and compute queues, partitioned gradients
  kSearched,       // the queues of kFsmoe in the best order found (order_search.h); ours
};
inline constexpr int kNumPolicies = 7;
[[nodiscard]] const char* to_text(Policy policy);
[[nodiscard]] std::optional<Policy> policy_from_text(std::string_view text);
[[nodiscard]] std::vector<Policy> all_policies();
[[nodiscard]] std::vector<Policy> published_policies();  // all but kSearched

struct LayerDegrees {
  int forward = 1;
  int backward = 1;
  bool operator==(const LayerDegrees&) const = default;
};

// Where in the backward of the last micro-batch a gradient slice is reduced.
struct GradientSlot {
  enum class Kind {
    kMoe,         // between the last dispatch and the first combine of `layer`
    kDense,       // beside the attention of `layer`
    kAfterLayer,  // after the backward of `layer` (layers = the head); what follows waits for it
    kTail,        // after the backward of layer 0
  };
  Kind kind = Kind::kTail;
  int layer = 0;
  bool operator==(const GradientSlot&) const = default;
};
[[nodiscard]] const char* to_text(GradientSlot::Kind kind);

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
  std::vector<GradientSlice> gradients;  // covers the flat buffer of every group of more than one rank once, in order
  OverlapOptions overlap = {};
  std::optional<QueueOrders> order = {};  // of the tasks that this schedule gives; absent: as emitted
  bool operator==(const Schedule&) const = default;
};

// True for policies whose links each have a queue of their own; the others share one communication
// queue, kSequential even the compute queue.
[[nodiscard]] bool has_link_queues(Policy policy);

// The gradient slices of the policies that do not partition: kSequential and kTutel reduce a unit
// right after it is ready, exposed; kTutelImproved (and, as a start, the others) in the dense slot of
// the next layer of the backward, the last units in the tail. In order of issue.
[[nodiscard]] std::vector<GradientSlice> whole_unit_slices(const StepShape& step, Policy policy);

// Larger steps are neither planned nor read: a graph of so many tasks takes a gigabyte and seconds to simulate.
inline constexpr std::int64_t kMaxTasks = std::int64_t{1} << 20;
// build_step_graph makes at most so many tasks. REQUIRES: a degree for each layer.
[[nodiscard]] std::int64_t most_tasks(const StepShape& step, const Schedule& schedule);

// The task graph of one training step of one rank under `schedule`. Throws InternalError when the
// schedule does not fit the step (wrong number of degrees, gradients not covered).
[[nodiscard]] TaskGraph build_step_graph(const StepShape& step, const Schedule& schedule);

}  // namespace sextant
