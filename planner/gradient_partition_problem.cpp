#include "planner/gradient_partition_problem.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"
#include "planner/checked_costs.h"

namespace sextant {
namespace {

constexpr LinkSet bit(Resource resource) {
  return 1U << static_cast<unsigned>(resource);
}

// The queues in which a policy issues collectives, and what the simulator's FIFO rule makes of tasks
// issued one after the other: a task starts when its turn has come in all its queues and its input
// exists, one launch latency after a producer of another queue.
class Clock {
 public:
  Clock(const StepShape& step, const CostModel& costs, Policy policy) : latency_(costs.launch_latency()) {
    bool any_inter = false;
    for (int kind = 0; kind < kNumGroupKinds; ++kind) {
      any_inter = any_inter || step.layout.group_shape(GroupKind(kind)).uses_inter();
    }
    if (!has_link_queues(policy)) only_queue_ = any_inter ? Resource::kInter : Resource::kIntra;
  }

  // A finished task: when, and in which queue it was issued first.
  struct Event {
    Seconds end;
    Resource queue = Resource::kCompute;
  };

  [[nodiscard]] LinkSet queues_of(const GroupShape& shape) const {
    if (shape.num_ranks() == 1) return 0;
    if (only_queue_) return bit(*only_queue_);
    return (shape.uses_inter() ? bit(Resource::kInter) : 0U) | (shape.uses_intra() ? bit(Resource::kIntra) : 0U);
  }

  Event kernel(const Event& input, Seconds length) {
    compute_ = std::max(compute_, ready(input, Resource::kCompute)) + length;
    return {compute_, Resource::kCompute};
  }

  // A collective on a group of one rank is no task at all.
  Event collective(const Event& input, LinkSet queues, Seconds length) {
    if (queues == 0) return input;
    const Resource first = (queues & bit(Resource::kInter)) != 0 ? Resource::kInter : Resource::kIntra;
    const Seconds end = std::max(ready(input, first), free_at(queues)) + length;
    occupy(queues, end);
    return {end, first};
  }

  // A slice whose gradients have existed for long.
  void slice(LinkSet queues, Seconds length) { occupy(queues, free_at(queues) + length); }

  [[nodiscard]] Seconds ready(const Event& input, Resource queue) const {
    return input.queue == queue ? input.end : input.end + latency_;
  }
  [[nodiscard]] Seconds free_at(LinkSet queues) const {
    Seconds free = -Seconds(1e30);
    for (const Resource link : {Resource::kInter, Resource::kIntra}) {
      if ((queues & bit(link)) != 0) free = std::max(free, free_[static_cast<std::size_t>(link)]);
    }
    return free;
  }
  void occupy(LinkSet queues, Seconds until) {
    for (const Resource link : {Resource::kInter, Resource::kIntra}) {
      if ((queues & bit(link)) != 0) free_[static_cast<std::size_t>(link)] = until;
    }
  }
  [[nodiscard]] Seconds latency() const { return latency_; }

 private:
  Seconds latency_;
  std::optional<Resource> only_queue_;
  Seconds compute_;
  PerLink free_{};
};

// One chunk's tasks.
struct Chunk {
  Seconds dispatch, gather, expert, scatter, combine;
};

// Prices of everything in a layer's backward that the degree does not change, and of its chunks.
class LayerPrices {
 public:
  LayerPrices(const StepShape& step, const CostModel& costs, Policy policy)
      : step_(step), costs_(costs), idle_(step, costs, policy) {
    ep_ = idle_.queues_of(step.layout.group_shape(GroupKind::kEp));
    esp_ = idle_.queues_of(step.layout.group_shape(GroupKind::kEsp));
    tp_ = idle_.queues_of(step.layout.group_shape(GroupKind::kTp));
    route_ = costs.kernel(route_work(step, Pass::kBackward)).time;
    unroute_ = costs.kernel(unroute_work(step, Pass::kBackward)).time;
    attention_ = costs.kernel(attention_work(step, Pass::kBackward)).time;
    if (tp_ != 0) {
      attention_gather_ = costs.collective(attention_gather_work(step)).time;
      attention_scatter_ = costs.collective(attention_scatter_work(step)).time;
    }
  }

  [[nodiscard]] LinkSet first_links() const { return ep_ != 0 ? ep_ : esp_; }
  [[nodiscard]] Seconds unroute() const { return unroute_; }

  [[nodiscard]] BlockOption block(int degree, const PerGroup<ReductionGroup>& groups) const {
    const std::vector<Chunk> chunks = chunks_of(degree);
    BlockOption option{degree, {}, {}};
    for (const Chunk& chunk : chunks) {
      add_busy(option.busy, ep_, chunk.dispatch + chunk.combine);
      add_busy(option.busy, esp_, chunk.gather + chunk.scatter);
    }
    option.cost = slot_cost(groups, [&](LinkSet queues, Seconds slice) { return block_end(chunks, queues, slice); });
    return option;
  }

  [[nodiscard]] DenseCost dense(const PerGroup<ReductionGroup>& groups) const {
    DenseCost part;
    part.cost = slot_cost(groups, [&](LinkSet queues, Seconds slice) { return dense_end(queues, slice); });
    part.attended = attended();
    add_busy(part.busy, tp_, attention_scatter_);
    return part;
  }

  [[nodiscard]] TailCost tail() const {
    Clock clock = at_block_end();
    const Clock::Event gathered = clock.collective(clock.kernel({}, route_), tp_, attention_gather_);
    return {.gathered = gathered.end,
            .attended = clock.kernel(gathered, attention_).end,
            .scatter = attention_scatter_,
            .embedding = costs_.kernel(embedding_work(step_, Pass::kBackward)).time,
            .launch_latency = costs_.launch_latency(),
            .links_free = links_free(),
            .attention_links = tp_};
  }

 private:
  static void add_busy(PerLink& busy, LinkSet queues, Seconds time) {
    for (const Resource link : {Resource::kInter, Resource::kIntra}) {
      if ((queues & bit(link)) != 0) busy[static_cast<std::size_t>(link)] += time;
    }
  }

  // Ends of a part without a slice, and with one so long that it decides: their difference is the path.
  template <typename End>
  static SlotCost slot_cost(const PerGroup<ReductionGroup>& groups, const End& end) {
    SlotCost cost{end(0U, Seconds(0.0)), {}};
    const Seconds decisive = 4.0 * cost.time + Seconds(1e-3);
    for (std::size_t g = 0; g < groups.size(); ++g) {
      if (!groups[g].exists) continue;
      const Seconds with_slice = end(groups[g].links, decisive);
      // On a link that the part does not use, a slice may take as long as the part.
      cost.path[g] = with_slice > cost.time ? with_slice - decisive : Seconds(0.0);
    }
    return cost;
  }

  [[nodiscard]] Chunk priced_chunk(std::int64_t rows) const {
    return {costs_.collective(dispatch_work(step_, rows)).time, costs_.collective(expert_gather_work(step_, rows)).time,
            costs_.kernel(expert_work(step_, Pass::kBackward, rows)).time,
            costs_.collective(expert_scatter_work(step_, rows)).time,
            costs_.collective(combine_work(step_, rows)).time};
  }

  // Chunks differ by at most one row, so there are at most two prices.
  [[nodiscard]] std::vector<Chunk> chunks_of(int degree) const {
    const std::int64_t small = step_.capacity() / degree;
    const Chunk small_chunk = priced_chunk(small);
    const Chunk large_chunk = step_.capacity() % degree == 0 ? small_chunk : priced_chunk(small + 1);
    std::vector<Chunk> chunks;
    for (int i = 0; i < degree; ++i) {
      chunks.push_back(chunk_range(step_.capacity(), i, degree).rows() == small ? small_chunk : large_chunk);
    }
    return chunks;
  }

  // From the end of the combine's backward to the start of the gate's, a slice between all gathers and
  // all scatters.
  [[nodiscard]] Seconds block_end(const std::vector<Chunk>& chunks, LinkSet slice_queues, Seconds slice) const {
    Clock clock = idle_;
    std::vector<Clock::Event> last(chunks.size());
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      last[i] = clock.collective(clock.collective({}, ep_, chunks[i].dispatch), esp_, chunks[i].gather);
    }
    if (slice_queues != 0) clock.slice(slice_queues, slice);
    for (std::size_t i = 0; i < chunks.size(); ++i) last[i] = clock.kernel(last[i], chunks[i].expert);
    Seconds end;
    for (std::size_t i = 0; i < chunks.size(); ++i) {
      last[i] = clock.collective(clock.collective(last[i], esp_, chunks[i].scatter), ep_, chunks[i].combine);
      end = std::max(end, clock.ready(last[i], Resource::kCompute));
    }
    return end;
  }

  // When a block ends its last collective is one launch latency old. In a block without collectives
  // that is when its last kernel ends, and its gradients exist one launch latency later.
  [[nodiscard]] Seconds links_free() const { return first_links() != 0 ? -idle_.latency() : idle_.latency(); }
  [[nodiscard]] Clock at_block_end() const {
    Clock clock = idle_;
    clock.occupy(bit(Resource::kInter) | bit(Resource::kIntra), links_free());
    return clock;
  }

  [[nodiscard]] Seconds attended() const {
    Clock clock = at_block_end();
    return clock.kernel(clock.collective(clock.kernel({}, route_), tp_, attention_gather_), attention_).end;
  }

  // From a block's end to the next one's start, a slice behind the attention's gather. The next block
  // starts one launch latency before its first task.
  [[nodiscard]] Seconds dense_end(LinkSet slice_queues, Seconds slice) const {
    Clock clock = at_block_end();
    const Clock::Event gathered = clock.collective(clock.kernel({}, route_), tp_, attention_gather_);
    if (slice_queues != 0) clock.slice(slice_queues, slice);
    const Clock::Event attended = clock.kernel(gathered, attention_);
    const Clock::Event unrouted = clock.kernel(clock.collective(attended, tp_, attention_scatter_), unroute_);
    return std::max(unrouted.end, clock.free_at(first_links()) - clock.latency());
  }

  const StepShape& step_;
  const CostModel& costs_;
  Clock idle_;
  LinkSet ep_ = 0, esp_ = 0, tp_ = 0;
  Seconds route_, unroute_, attention_, attention_gather_, attention_scatter_;
};

CollectiveWork reduction_work(const StepShape& step, GroupKind group, std::int64_t elements, Reduction reduction) {
  CollectiveWork work = gradient_reduce_work(step, group, elements);
  if (reduction == Reduction::kReduceScatter) work.op = Collective::kReduceScatter;
  return work;
}

// Elements that exist when each slot is issued: in a block those of the layers above, beside the
// attention the experts of the layer itself as well.
std::vector<std::int64_t> ready_elements(const StepShape& step, GroupKind group) {
  std::vector<std::int64_t> ready;
  std::int64_t above = gradient_elements(step, group, 0);
  for (int position = 0; position < step.network.layers; ++position) {
    const std::int64_t own = gradient_elements(step, group, position + 1);
    ready.push_back(above);
    ready.push_back(group == GroupKind::kEdp ? above + own : above);
    above += own;
  }
  ready.push_back(above);
  ready.push_back(above + gradient_elements(step, group, step.network.layers + 1));
  return ready;
}

}  // namespace

// ---- reduction cost ----

namespace {

struct Sample {
  double elements;
  double time_s;
};

double slope(const Sample& a, const Sample& b) {
  return (b.time_s - a.time_s) / (b.elements - a.elements);
}

// Lower convex hull of samples by rising elements.
std::vector<Sample> lower_hull(const std::vector<Sample>& samples) {
  std::vector<Sample> hull;
  for (const Sample& sample : samples) {
    while (hull.size() >= 2 && slope(hull[hull.size() - 2], hull.back()) >= slope(hull.back(), sample)) hull.pop_back();
    hull.push_back(sample);
  }
  return hull;
}

}  // namespace

ReductionCost::ReductionCost(Time time, std::int64_t typical, std::int64_t most) : time_(std::move(time)) {
  constexpr int kSamples = 24;
  std::vector<Sample> samples;
  std::int64_t last = 0;
  for (int i = 0; i <= kSamples; ++i) {
    const double exponent = static_cast<double>(i) / kSamples;
    const auto elements = i == kSamples ? most : std::llround(std::pow(static_cast<double>(most), exponent));
    if (elements <= last) continue;
    samples.push_back({static_cast<double>(elements), time_(elements).value()});
    last = elements;
  }
  const std::vector<Sample> hull = lower_hull(samples);
  std::size_t edge = 1;
  while (edge + 1 < hull.size() && hull[edge].elements < static_cast<double>(typical)) ++edge;
  double beta = hull.size() == 1 ? 0.0 : slope(hull[edge - 1], hull[edge]);
  double alpha = hull.size() == 1 ? hull[0].time_s : hull[edge].time_s - beta * hull[edge].elements;
  if (alpha < 0.0) {  // faster than linear growth: the best ray from the origin lies below it too
    alpha = 0.0;
    beta = hull[0].time_s / hull[0].elements;
    for (const Sample& s : hull) beta = std::min(beta, s.time_s / s.elements);
  }
  alpha_ = Seconds(alpha);
  per_element_ = Seconds(beta);
  const bool exact = std::all_of(samples.begin(), samples.end(), [&](const Sample& s) {
    return std::abs(alpha + beta * s.elements - s.time_s) <= 1e-12 * s.time_s;
  });
  if (exact) time_ = nullptr;
}

ReductionCost ReductionCost::affine(Seconds alpha, Seconds per_element) {
  ReductionCost cost;
  cost.alpha_ = alpha;
  cost.per_element_ = per_element;
  return cost;
}

Seconds ReductionCost::time(std::int64_t elements) const {
  if (elements == 0) return Seconds(0.0);
  return time_ ? time_(elements) : alpha_ + static_cast<double>(elements) * per_element_;
}

std::int64_t ReductionCost::fitting(std::int64_t available, Seconds room) const {
  room *= 1.0 + 1e-12;  // rounding must not cost an element
  if (available <= 0 || time(1) > room) return 0;
  if (time(available) <= room) return available;
  std::int64_t fits = 1, too_many = available;
  // The affine function below the time never fits less; it is the answer where it is the time.
  const auto guess = static_cast<std::int64_t>((room - alpha_) / per_element_);
  for (std::int64_t probe : {guess, guess + 1, guess - 1}) {
    probe = std::clamp(probe, fits, too_many);
    if (probe <= fits || probe >= too_many) continue;
    (time(probe) <= room ? fits : too_many) = probe;
  }
  while (too_many - fits > std::max<std::int64_t>(1, is_affine() ? 1 : available / 65536)) {
    const std::int64_t middle = fits + (too_many - fits) / 2;
    (time(middle) <= room ? fits : too_many) = middle;
  }
  return fits;
}

// ---- the problem of a step ----

Seconds TailCost::embedded() const {
  const Seconds scattered = attention_links == 0 ? attended : attended + scatter + 2.0 * launch_latency;
  return scattered + embedding;
}

PerGroup<ReductionGroup> reduction_groups(const StepShape& step, const CostModel& costs, Policy policy,
                                          Reduction reduction) {
  const Clock queues(step, costs, policy);
  PerGroup<ReductionGroup> groups;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    const GroupKind kind = kReducingGroups[g];
    groups[g].ready = ready_elements(step, kind);
    groups[g].exists = step.layout.group_size(kind) > 1 && groups[g].total() > 0;
    if (!groups[g].exists) continue;
    groups[g].links = queues.queues_of(step.layout.group_shape(kind));
    const auto time = [&step, &costs, kind, reduction](std::int64_t elements) {
      return CheckedCostModel(costs).collective(reduction_work(step, kind, elements, reduction)).time;
    };
    const std::int64_t total = groups[g].total();
    groups[g].cost = ReductionCost(time, std::max<std::int64_t>(1, total / (step.network.layers + 2)), total);
  }
  return groups;
}

PartitionProblem partition_problem(const StepShape& step, const CostModel& unchecked, Policy policy,
                                   const std::vector<int>& degrees, Reduction reduction) {
  SEXTANT_CHECK(!degrees.empty(), "no degree to choose");
  const CheckedCostModel costs(unchecked);
  const LayerPrices prices(step, costs, policy);
  const auto layers = static_cast<std::size_t>(step.network.layers);
  PartitionProblem problem;
  problem.groups = reduction_groups(step, unchecked, policy, reduction);  // outlives the checked model of this call
  problem.kinds.emplace_back();
  for (const int degree : degrees) problem.kinds.front().push_back(prices.block(degree, problem.groups));
  problem.kind.assign(layers, 0);
  problem.dense.assign(layers - 1, prices.dense(problem.groups));
  problem.head = costs.kernel(head_work(step, Pass::kBackward)).time;
  problem.lead_in = prices.unroute();
  problem.tail = prices.tail();
  problem.block_links = prices.first_links();
  problem.num_micro_batches = step.num_micro_batches;
  return problem;
}

// ---- evaluation ----

namespace {

// The tail's clock: slices of the last dense slot, then those of the two tail slots.
class TailClock {
 public:
  explicit TailClock(const PartitionProblem& problem) : problem_(problem), tail_(problem.tail) {
    free_.fill(tail_.links_free);
    occupy(tail_.attention_links, tail_.gathered);
  }

  Seconds finish(const PerGroup<std::int64_t>& beside, const PerGroup<std::int64_t>& early,
                 const PerGroup<std::int64_t>& late) {
    const int slot = 2 * problem_.num_positions();
    PerGroup<std::int64_t> issued = before_tail(beside, early, late);
    // When the gradients of the last dense slot and of the two tail slots exist.
    std::array<Seconds, 3> ready{tail_.links_free, tail_.attended + tail_.launch_latency, {}};
    reduce(beside, issued, slot - 1, ready);
    const Seconds embedded = scatter_and_embed();
    ready[2] = embedded + tail_.launch_latency;
    reduce(early, issued, slot, ready);
    reduce(late, issued, slot + 1, ready);
    return std::max(embedded, reduced_);
  }

 private:
  [[nodiscard]] PerGroup<std::int64_t> before_tail(const PerGroup<std::int64_t>& beside,
                                                   const PerGroup<std::int64_t>& early,
                                                   const PerGroup<std::int64_t>& late) const {
    PerGroup<std::int64_t> issued{};
    for (std::size_t g = 0; g < issued.size(); ++g) {
      if (problem_.groups[g].exists) issued[g] = problem_.groups[g].total() - beside[g] - early[g] - late[g];
    }
    return issued;
  }

  // A slice waits for the last gradient in it, which may have existed long before its slot.
  void reduce(const PerGroup<std::int64_t>& elements, PerGroup<std::int64_t>& issued, int slot,
              const std::array<Seconds, 3>& ready) {
    const int first = 2 * problem_.num_positions() - 1;
    for (std::size_t g = 0; g < elements.size(); ++g) {
      if (elements[g] == 0) continue;
      const ReductionGroup& group = problem_.groups[g];
      issued[g] += elements[g];
      int exists = slot;
      while (exists > first && group.ready[static_cast<std::size_t>(exists - 1)] >= issued[g]) --exists;
      const Seconds start = std::max(ready[static_cast<std::size_t>(exists - first)], free_at(group.links));
      const Seconds end = start + group.cost.time(elements[g]);
      occupy(group.links, end);
      reduced_ = std::max(reduced_, end + tail_.launch_latency);
    }
  }

  Seconds scatter_and_embed() {
    if (tail_.attention_links == 0) return tail_.embedded();
    const Seconds start = std::max(tail_.attended + tail_.launch_latency, free_at(tail_.attention_links));
    occupy(tail_.attention_links, start + tail_.scatter);
    return start + tail_.scatter + tail_.launch_latency + tail_.embedding;
  }

  [[nodiscard]] Seconds free_at(LinkSet links) const {
    Seconds free = tail_.links_free;
    for (std::size_t q = 0; q < free_.size(); ++q) {
      if ((links >> q & 1U) != 0) free = std::max(free, free_[q]);
    }
    return free;
  }
  void occupy(LinkSet links, Seconds until) {
    for (std::size_t q = 0; q < free_.size(); ++q) {
      if ((links >> q & 1U) != 0) free_[q] = until;
    }
  }

  const PartitionProblem& problem_;
  const TailCost& tail_;
  PerLink free_{};
  Seconds reduced_;
};

}  // namespace

SlotLoad slot_load(const PartitionProblem& problem, const PerGroup<std::int64_t>& elements) {
  SlotLoad load;
  for (std::size_t g = 0; g < elements.size(); ++g) {
    load.uses[g] = elements[g] > 0;
    if (load.uses[g]) load.time += problem.groups[g].cost.time(elements[g]);
  }
  return load;
}

Seconds slot_time(const SlotCost& part, const SlotLoad& load) {
  Seconds time = part.time;
  for (std::size_t g = 0; g < load.uses.size(); ++g) {
    if (load.uses[g]) time = std::max(time, part.path[g] + load.time);
  }
  return time;
}

Seconds tail_time(const PartitionProblem& problem, const PerGroup<std::int64_t>& beside,
                  const PerGroup<std::int64_t>& early, const PerGroup<std::int64_t>& late) {
  return TailClock(problem).finish(beside, early, late);
}

Seconds backward_time(const PartitionProblem& problem, const Partition& partition) {
  const int positions = problem.num_positions();
  Seconds last = problem.head + problem.lead_in;
  Seconds plain = last + problem.tail.embedded();
  const auto elements = [&](int slot) -> const PerGroup<std::int64_t>& {
    return partition.elements[static_cast<std::size_t>(slot)];
  };
  for (int p = 0; p < positions; ++p) {
    const SlotCost& block =
        problem.options(p)[static_cast<std::size_t>(partition.options[static_cast<std::size_t>(p)])].cost;
    plain += block.time;
    last += slot_time(block, slot_load(problem, elements(2 * p)));
    if (p == positions - 1) continue;
    plain += problem.dense[static_cast<std::size_t>(p)].cost.time;
    last += slot_time(problem.dense[static_cast<std::size_t>(p)].cost, slot_load(problem, elements(2 * p + 1)));
  }
  last += tail_time(problem, elements(2 * positions - 1), elements(2 * positions), elements(2 * positions + 1));
  return (problem.num_micro_batches - 1) * plain + last;
}

GradientSlot gradient_slot(const PartitionProblem& problem, int slot) {
  const int positions = problem.num_positions();
  if (slot >= 2 * positions) return {GradientSlot::Kind::kTail, 0};
  const auto kind = slot % 2 == 0 ? GradientSlot::Kind::kMoe : GradientSlot::Kind::kDense;
  return {kind, positions - 1 - slot / 2};
}

std::vector<GradientSlice> gradient_slices(const PartitionProblem& problem, const Partition& partition) {
  std::vector<GradientSlice> slices;
  PerGroup<std::int64_t> begin{};
  for (int slot = 0; slot < problem.num_slots(); ++slot) {
    for (std::size_t g = 0; g < begin.size(); ++g) {
      const std::int64_t elements = partition.elements[static_cast<std::size_t>(slot)][g];
      if (elements == 0) continue;
      slices.push_back({kReducingGroups[g], begin[g], begin[g] + elements, gradient_slot(problem, slot)});
      begin[g] += elements;
    }
  }
  return slices;
}

}  // namespace sextant
