// The gradient partition as numbers: what the backward of a step has to reduce, and what time each
// place in it leaves for that.
//
// Positions count the layers in the order of the backward: position p is layer L - 1 - p. Slots:
//   2p       inside the MoE block of position p        2p + 1    beside its attention
//   2L       tail, as soon as the layers' gradients exist
//   2L + 1   tail, after the embedding's gradient
// A part of the backward that takes `time` alone takes max(time, path_g + G) with slices of G seconds
// in its slot: path_g is the longest chain of the part's own tasks before and behind them. Symbols:
// L layers, g group, r pipeline degree, a all-to-all of a chunk, h launch latency.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <vector>

#include "models/cost_model.h"
#include "models/units.h"
#include "models/work.h"
#include "planner/schedule.h"

namespace sextant {

inline constexpr std::array<GroupKind, 3> kReducingGroups = {GroupKind::kDp, GroupKind::kStage, GroupKind::kEdp};
template <typename T>
using PerGroup = std::array<T, kReducingGroups.size()>;  // in the order of kReducingGroups

// Links as a set: bit 1 << Resource.
using LinkSet = unsigned;

// Time to reduce n elements, with an affine function below it.
class ReductionCost {
 public:
  using Time = std::function<Seconds(std::int64_t elements)>;
  ReductionCost() = default;
  // `time` must not fall with the elements; it is sampled between 1 and `most`. The affine function
  // touches it near `typical` and lies below it at every sample.
  ReductionCost(Time time, std::int64_t typical, std::int64_t most);
  // alpha + n beta.
  static ReductionCost affine(Seconds alpha, Seconds per_element);

  [[nodiscard]] Seconds time(std::int64_t elements) const;  // 0 for no elements
  [[nodiscard]] Seconds alpha() const { return alpha_; }
  [[nodiscard]] Seconds per_element() const { return per_element_; }
  [[nodiscard]] bool is_affine() const { return !time_; }
  // Most elements of at most `available` that take no longer than `room`: g(t) of the paper.
  [[nodiscard]] std::int64_t fitting(std::int64_t available, Seconds room) const;

 private:
  Time time_;  // empty when affine
  Seconds alpha_;
  Seconds per_element_;
};

struct ReductionGroup {
  bool exists = false;  // more than one rank and something to reduce
  LinkSet links = 0;
  ReductionCost cost;
  std::vector<std::int64_t> ready;  // [slot] elements whose gradients exist when the slot is issued
  [[nodiscard]] std::int64_t total() const { return ready.back(); }
};

// A part of the backward with a slot in it.
struct SlotCost {
  Seconds time;
  PerGroup<Seconds> path;
};

using PerLink = std::array<Seconds, kNumResources>;

struct BlockOption {
  int degree = 1;
  SlotCost cost;
  PerLink busy;  // by the block's own tasks
};

// From a block's end to the next one's start: gate, attention, the next layer's combine.
struct DenseCost {
  SlotCost cost;
  Seconds attended;  // when the gradients of the layer exist, from the part's start
  PerLink busy;      // by the part's own tasks after that
};

// The end of the backward, from the end of layer 0's block on: attention of layer 0 with the slices
// of the last dense slot beside it, then the embedding, then what is left to reduce.
struct TailCost {
  Seconds gathered;  // attention's input is complete
  Seconds attended;  // ... its output gradient: layer 0's gradients exist
  Seconds scatter;   // all-gather and reduce-scatter stand in the queues `attention_links`
  Seconds embedding;
  Seconds launch_latency;
  Seconds links_free;                      // when slices beside the attention can start
  LinkSet attention_links = 0;             // 0: neither exists
  [[nodiscard]] Seconds embedded() const;  // end of the backward when nothing is reduced
};

struct PartitionProblem {
  std::vector<std::vector<BlockOption>> kinds;  // options of a MoE block
  std::vector<int> kind;                        // [position] its options
  std::vector<DenseCost> dense;                 // [position], all but the last
  Seconds head;
  Seconds lead_in;  // between the head and the first block
  TailCost tail;
  PerGroup<ReductionGroup> groups;
  LinkSet block_links = 0;    // queues of a block's first task: slices there delay the block
  int num_micro_batches = 1;  // only the last one reduces

  [[nodiscard]] int num_positions() const { return static_cast<int>(kind.size()); }
  [[nodiscard]] int num_slots() const { return 2 * num_positions() + 2; }
  [[nodiscard]] const std::vector<BlockOption>& options(int position) const {
    return kinds[static_cast<std::size_t>(kind[static_cast<std::size_t>(position)])];
  }
};

// An answer: for every position one of its options, for every slot the elements reduced there.
struct Partition {
  std::vector<int> options;                      // [position]
  std::vector<PerGroup<std::int64_t>> elements;  // [slot]
};

// What a slice reduces: gradients in full, or each rank's share of them with the parameters gathered
// after the update (ZeRO stage 1).
enum class Reduction { kAllReduce, kReduceScatter };

// The gradients of a step, group by group. REQUIRES: `step` and `costs` outlive the result.
[[nodiscard]] PerGroup<ReductionGroup> reduction_groups(const StepShape& step, const CostModel& costs, Policy policy,
                                                        Reduction reduction = Reduction::kAllReduce);

// The problem of `step` under a partitioning policy, priced by `costs`. Blocks may be cut into any of
// `degrees` parts. REQUIRES: degrees not empty; `step` and `costs` outlive the problem.
[[nodiscard]] PartitionProblem partition_problem(const StepShape& step, const CostModel& costs, Policy policy,
                                                 const std::vector<int>& degrees,
                                                 Reduction reduction = Reduction::kAllReduce);

// Time of all backward passes of the step, from the start of the head's to the last reduction. Where
// all groups use the same queues this is what the simulator gives without contention; slices of groups
// on different links are taken to follow each other, which may be too long.
[[nodiscard]] Seconds backward_time(const PartitionProblem& problem, const Partition& partition);

// Slices of one slot: how long they take together and whose they are.
struct SlotLoad {
  Seconds time;
  PerGroup<bool> uses{};
};
[[nodiscard]] SlotLoad slot_load(const PartitionProblem& problem, const PerGroup<std::int64_t>& elements);
// Time of a part with them.
[[nodiscard]] Seconds slot_time(const SlotCost& part, const SlotLoad& load);
// The end of the backward from the end of layer 0's block on, by the elements of its three slots.
[[nodiscard]] Seconds tail_time(const PartitionProblem& problem, const PerGroup<std::int64_t>& beside_attention,
                                const PerGroup<std::int64_t>& early, const PerGroup<std::int64_t>& late);

// Where the slices of a slot stand in the schedule, and the whole partition in the schedule's terms.
[[nodiscard]] GradientSlot gradient_slot(const PartitionProblem& problem, int slot);
[[nodiscard]] std::vector<GradientSlice> gradient_slices(const PartitionProblem& problem, const Partition& partition);

}  // namespace sextant
