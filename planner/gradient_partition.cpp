#include "planner/gradient_partition.h"

#include <algorithm>
#include <limits>

#include "models/error.h"

namespace sextant {
namespace {

using Elements = PerGroup<std::int64_t>;

class Filler {
 public:
  Filler(const PartitionProblem& problem, std::vector<int> options, FillRule rule)
      : problem_(problem), rule_(rule), partition_{std::move(options), {}} {
    partition_.elements.assign(static_cast<std::size_t>(problem_.num_slots()), Elements{});
  }

  Partition fill() {
    const int positions = problem_.num_positions();
    for (int p = 0; p < positions; ++p) {
      const auto option = static_cast<std::size_t>(partition_.options[static_cast<std::size_t>(p)]);
      fill_slot(2 * p, problem_.options(p)[option].cost);
      fill_slot(2 * p + 1, p < positions - 1 ? problem_.dense[static_cast<std::size_t>(p)].cost : beside_last());
    }
    const int last = problem_.num_slots() - 1;
    for (std::size_t g = 0; g < issued_.size(); ++g) partition_.elements.back()[g] = waiting(g, last);
    return std::move(partition_);
  }

 private:
  [[nodiscard]] std::int64_t waiting(std::size_t g, int slot) const {
    const ReductionGroup& group = problem_.groups[g];
    return group.exists ? group.ready[static_cast<std::size_t>(slot)] - issued_[g] : 0;
  }

  // Beside layer 0's attention a slice may last until the attention's gradients can be reduced.
  [[nodiscard]] SlotCost beside_last() const {
    const TailCost& tail = problem_.tail;
    const Seconds start = tail.attention_links != 0 ? tail.gathered : tail.links_free;
    return {tail.attended + tail.launch_latency - start, {}};
  }

  // Work that counts for the order of the groups.
  [[nodiscard]] Seconds work(std::size_t g, int slot, const SlotCost& part) const {
    if (rule_.order == FillRule::Order::kGroups || waiting(g, slot) <= 0) return Seconds(0.0);
    const ReductionCost& cost = problem_.groups[g].cost;
    const Seconds waits = static_cast<double>(waiting(g, slot)) * cost.per_element();
    if (rule_.order == FillRule::Order::kLongest) return waits;
    return std::min(waits, part.time - part.path[g] - cost.alpha());
  }

  [[nodiscard]] PerGroup<std::size_t> order(int slot, const SlotCost& part) const {
    PerGroup<std::size_t> order{};
    PerGroup<Seconds> works{};
    for (std::size_t g = 0; g < order.size(); ++g) {
      order[g] = g;
      works[g] = work(g, slot, part);
    }
    std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return works[a] > works[b]; });
    return order;
  }

  void fill_slot(int slot, const SlotCost& part) {
    Elements& taken = partition_.elements[static_cast<std::size_t>(slot)];
    Seconds used;
    Seconds path;
    bool empty = true;
    for (const std::size_t g : order(slot, part)) {
      const std::int64_t available = waiting(g, slot);
      if (available <= 0) continue;
      const ReductionCost& cost = problem_.groups[g].cost;
      const Seconds longest = empty ? part.path[g] : std::max(path, part.path[g]);
      const std::int64_t elements = cost.fitting(available, part.time - longest - used);
      if (elements == 0 || (rule_.skip_short && cost.time(elements) < 2.0 * cost.alpha())) continue;
      taken[g] = elements;
      issued_[g] += elements;
      used += cost.time(elements);
      path = longest;
      empty = false;
    }
  }

  const PartitionProblem& problem_;
  FillRule rule_;
  Partition partition_;
  Elements issued_{};
};

// The degrees of `layers`, each once.
std::vector<int> distinct_degrees(const std::vector<LayerDegrees>& layers) {
  std::vector<int> degrees;
  for (const LayerDegrees& layer : layers) degrees.push_back(layer.backward);
  std::sort(degrees.begin(), degrees.end());
  degrees.erase(std::unique(degrees.begin(), degrees.end()), degrees.end());
  return degrees;
}

Seconds room_for_all(const PerGroup<ReductionGroup>& groups, const SlotCost& part) {
  Seconds room = part.time;
  bool any = false;
  for (std::size_t g = 0; g < groups.size(); ++g) {
    if (!groups[g].exists) continue;
    room = std::min(room, part.time - part.path[g]);
    any = true;
  }
  return any ? std::max(room, Seconds(0.0)) : Seconds(0.0);
}

}  // namespace

std::vector<int> fastest_options(const PartitionProblem& problem) {
  std::vector<int> fastest;
  for (int p = 0; p < problem.num_positions(); ++p) {
    const auto& options = problem.options(p);
    const auto least = std::min_element(options.begin(), options.end(), [](const BlockOption& a, const BlockOption& b) {
      return a.cost.time < b.cost.time;
    });
    fastest.push_back(static_cast<int>(least - options.begin()));
  }
  return fastest;
}

Partition fill_windows(const PartitionProblem& problem, std::vector<int> options, FillRule rule) {
  return Filler(problem, std::move(options), rule).fill();
}

void improve_degrees(const PartitionProblem& problem, Partition& partition) {
  for (int p = 0; p < problem.num_positions(); ++p) {
    const std::vector<BlockOption>& options = problem.options(p);
    const SlotLoad load = slot_load(problem, partition.elements[static_cast<std::size_t>(2 * p)]);
    Seconds best(std::numeric_limits<double>::infinity());
    for (std::size_t j = 0; j < options.size(); ++j) {
      const SlotCost& cost = options[j].cost;
      const Seconds time = (problem.num_micro_batches - 1) * cost.time + slot_time(cost, load);
      if (time >= best) continue;
      best = time;
      partition.options[static_cast<std::size_t>(p)] = static_cast<int>(j);
    }
  }
}

std::vector<GradientWindow> gradient_windows(const StepShape& step, const CostModel& costs, Policy policy,
                                             const std::vector<LayerDegrees>& degrees) {
  const std::vector<int> distinct = distinct_degrees(degrees);
  const PartitionProblem problem = partition_problem(step, costs, policy, distinct);
  const SlotCost last{problem.tail.attended, {problem.tail.gathered, problem.tail.gathered, problem.tail.gathered}};
  std::vector<GradientWindow> windows;
  for (int p = 0; p < problem.num_positions(); ++p) {
    const int layer = problem.num_positions() - 1 - p;
    const auto option =
        std::lower_bound(distinct.begin(), distinct.end(), degrees[static_cast<std::size_t>(layer)].backward) -
        distinct.begin();
    const SlotCost& block = problem.options(p)[static_cast<std::size_t>(option)].cost;
    const SlotCost& dense = layer > 0 ? problem.dense[static_cast<std::size_t>(p)].cost : last;
    windows.push_back({{GradientSlot::Kind::kMoe, layer}, room_for_all(problem.groups, block)});
    windows.push_back({{GradientSlot::Kind::kDense, layer}, room_for_all(problem.groups, dense)});
  }
  return windows;
}

std::vector<GradientSlice> partition_greedily(const StepShape& step, const CostModel& costs,
                                              const std::vector<GradientWindow>& windows) {
  SEXTANT_CHECK(windows.size() == 2 * static_cast<std::size_t>(step.network.layers), "{} windows for {} layers",
                windows.size(), step.network.layers);
  // A part that takes as long as its window and has nothing else to do.
  PartitionProblem problem;
  problem.groups = reduction_groups(step, costs, Policy::kFsmoe);
  for (std::size_t w = 0; w < windows.size(); w += 2) {
    problem.kind.push_back(static_cast<int>(problem.kinds.size()));
    problem.kinds.push_back({BlockOption{1, {windows[w].room, {}}, {}}});
    problem.dense.push_back({{windows[w + 1].room, {}}, {}, {}});
  }
  problem.tail.attended = windows.back().room;
  return gradient_slices(problem, fill_windows(problem, std::vector<int>(problem.kind.size(), 0)));
}

}  // namespace sextant
