#include "planner/observed_step.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>
#include <variant>

#include "models/error.h"
#include "models/statistics.h"

namespace sextant {
namespace {

constexpr double kAloneUpTo = 0.01;  // of a task's span beside others

Seconds length_of(const TaskSpan& span) {
  return span.end - span.start;
}

// How long, up to a time, a condition held that changes at given times.
class HeldTime {
 public:
  // (time, change of the number of tasks); the condition holds while the number is at least `least`.
  HeldTime(std::vector<std::pair<double, int>> changes, int least) {
    std::sort(changes.begin(), changes.end());
    int number = 0;
    double held_s = 0.0;
    for (const auto& [time_s, change] : changes) {
      if (!times_s_.empty() && number >= least) held_s += time_s - times_s_.back();
      number += change;
      times_s_.push_back(time_s);
      held_s_.push_back(held_s);
      holds_.push_back(number >= least);
    }
  }

  [[nodiscard]] Seconds within(const TaskSpan& span) const {
    return Seconds(up_to(span.end.value()) - up_to(span.start.value()));
  }

 private:
  [[nodiscard]] double up_to(double time_s) const {
    const auto after = std::upper_bound(times_s_.begin(), times_s_.end(), time_s);
    if (after == times_s_.begin()) return 0.0;
    const auto i = static_cast<std::size_t>(after - times_s_.begin()) - 1;
    return held_s_[i] + (holds_[i] ? time_s - times_s_[i] : 0.0);
  }

  std::vector<double> times_s_;
  std::vector<double> held_s_;
  std::vector<bool> holds_;
};

// What ran at the same time on one rank.
class Neighbours {
 public:
  Neighbours(const TaskGraph& graph, const Timeline& timeline) : two_tasks_(changes_of(graph, timeline, {}), 2) {
    for (int r = 0; r < kNumResources; ++r) in_use_.emplace_back(changes_of(graph, timeline, Resource(r)), 1);
  }

  // Whether a task of this rank had `window`, a part of its span, to itself.
  [[nodiscard]] bool is_alone(const TaskSpan& window) const {
    return two_tasks_.within(window) <= kAloneUpTo * length_of(window);
  }
  [[nodiscard]] double part_in_use(Resource resource, const TaskSpan& span) const {
    if (length_of(span) <= Seconds(0.0)) return 0.0;
    return in_use_[static_cast<std::size_t>(resource)].within(span) / length_of(span);
  }

 private:
  // Starts and ends of the tasks that use `resource`, or of all.
  static std::vector<std::pair<double, int>> changes_of(const TaskGraph& graph, const Timeline& timeline,
                                                        std::optional<Resource> resource) {
    std::vector<std::pair<double, int>> changes;
    for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
      const std::vector<Resource>& uses = graph.tasks[id].uses;
      if (resource && std::find(uses.begin(), uses.end(), *resource) == uses.end()) continue;
      changes.emplace_back(timeline.spans[id].start.value(), 1);
      changes.emplace_back(timeline.spans[id].end.value(), -1);
    }
    return changes;
  }

  HeldTime two_tasks_;
  std::vector<HeldTime> in_use_;  // [resource]
};

// Work of one price has one key.
using WorkKey = std::tuple<bool, int, int, KernelShape, GroupShape, Bytes>;

WorkKey key_of(const Work& work) {
  if (const auto* kernel = std::get_if<KernelWork>(&work)) {
    return {true, static_cast<int>(kernel->op), static_cast<int>(kernel->pass), kernel->shape, GroupShape{}, Bytes{}};
  }
  const auto& collective = std::get<CollectiveWork>(work);
  return {false, static_cast<int>(collective.op), 0, KernelShape{}, collective.group, collective.buffer};
}

class Observer {
 public:
  Observer(const TaskGraph& graph, const ParallelLayout& layout, std::span<const Timeline> ranks)
      : graph_(graph), layout_(layout), ranks_(ranks) {
    for (const Timeline& timeline : ranks) neighbours_.emplace_back(graph, timeline);
  }

  ObservedStep observe() {
    collect_works();
    for (ObservedWork& work : step_.works) observe_work(work);
    step_.waiting = spread_of(waits_);
    step_.hand_over = spread_of(hand_overs());
    step_.late_start = late_start();
    for (std::size_t id = 0; id < graph_.tasks.size(); ++id) observe_task(static_cast<TaskId>(id));
    return std::move(step_);
  }

 private:
  [[nodiscard]] const TaskSpan& span_of(TaskId task, std::size_t rank) const {
    return ranks_[rank].spans[static_cast<std::size_t>(task)];
  }

  void collect_works() {
    std::map<WorkKey, std::size_t> index;
    for (std::size_t id = 0; id < graph_.tasks.size(); ++id) {
      const Work& work = graph_.tasks[id].work;
      const auto [place, is_new] = index.try_emplace(key_of(work), step_.works.size());
      if (is_new) step_.works.push_back({.work = work});
      step_.works[place->second].tasks.push_back(static_cast<TaskId>(id));
    }
  }

  void observe_work(ObservedWork& work) {
    std::vector<Seconds> alone;
    std::vector<Seconds> with_waiting;
    const bool is_kernel = std::holds_alternative<KernelWork>(work.work);
    for (const TaskId task : work.tasks) {
      if (is_kernel) {
        observe_kernel(task, alone);
      } else {
        observe_collective(task, alone, with_waiting);
      }
    }
    work.alone = spread_of(alone);
    work.alone_with_waiting = is_kernel ? work.alone : spread_of(with_waiting);
  }

  void observe_kernel(TaskId task, std::vector<Seconds>& alone) const {
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      const TaskSpan& span = span_of(task, rank);
      if (neighbours_[rank].is_alone(span)) alone.push_back(length_of(span));
    }
  }

  // Every group that carries the task out, once.
  void observe_collective(TaskId task, std::vector<Seconds>& alone, std::vector<Seconds>& with_waiting) {
    const auto& kind = graph_.tasks[static_cast<std::size_t>(task)].group;
    SEXTANT_CHECK(kind, "collective {} has no group", task);
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      const std::vector<int> group = layout_.group_ranks(*kind, static_cast<int>(rank));
      if (group.front() != static_cast<int>(rank)) continue;
      observe_group(task, {group.begin(), group.end()}, alone, with_waiting);
    }
  }

  void observe_group(TaskId task, const std::vector<std::size_t>& group, std::vector<Seconds>& alone,
                     std::vector<Seconds>& with_waiting) {
    Seconds transfer = length_of(span_of(task, group.front()));
    for (const std::size_t rank : group) transfer = std::min(transfer, length_of(span_of(task, rank)));
    const auto all_ranks = [&](const auto& holds) { return std::all_of(group.begin(), group.end(), holds); };
    const bool is_alone = all_ranks([&](std::size_t rank) {
      const TaskSpan& span = span_of(task, rank);
      return neighbours_[rank].is_alone({.start = span.end - transfer, .end = span.end});
    });
    if (is_alone) alone.push_back(transfer);
    if (!all_ranks([&](std::size_t rank) { return neighbours_[rank].is_alone(span_of(task, rank)); })) return;
    for (const std::size_t rank : group) {
      with_waiting.push_back(length_of(span_of(task, rank)));
      waits_.push_back(with_waiting.back() - transfer);
    }
  }

  // Where what the task waited for last stands in another queue; the queues of a task are `queue` and `second_queue`.
  [[nodiscard]] std::vector<Seconds> hand_overs() const {
    const std::vector<std::vector<TaskId>> before = predecessors_in_queues();
    std::vector<Seconds> samples;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      for (std::size_t id = 0; id < graph_.tasks.size(); ++id) {
        const Task& task = graph_.tasks[id];
        Seconds same(0.0);
        Seconds other(-1.0);
        for (const TaskId each : before[id]) same = std::max(same, span_of(each, rank).end);
        for (const TaskId each : task.dependencies) {
          const bool is_same = graph_.tasks[static_cast<std::size_t>(each)].queue == task.queue;
          Seconds& latest = is_same ? same : other;
          latest = std::max(latest, span_of(each, rank).end);
        }
        const Seconds start = span_of(static_cast<TaskId>(id), rank).start;
        if (other >= same && start >= other) samples.push_back(start - other);
      }
    }
    return samples;
  }

  [[nodiscard]] Seconds late_start() const {
    const auto collectives = std::count_if(graph_.tasks.begin(), graph_.tasks.end(), [](const Task& task) {
      return std::holds_alternative<CollectiveWork>(task.work);
    });
    if (collectives == 0) return Seconds(0.0);
    const Seconds beyond_median = std::max(Seconds(0.0), step_.hand_over.mean - step_.hand_over.median);
    return beyond_median * step_.hand_over.count / static_cast<double>(collectives * std::ssize(ranks_));
  }

  [[nodiscard]] std::vector<std::vector<TaskId>> predecessors_in_queues() const {
    std::vector<std::vector<TaskId>> before(graph_.tasks.size());
    for (const std::vector<TaskId>& order : graph_.order) {
      for (std::size_t i = 1; i < order.size(); ++i) before[static_cast<std::size_t>(order[i])].push_back(order[i - 1]);
    }
    return before;
  }

  void observe_task(TaskId task) {
    std::vector<Seconds> lengths;
    std::array<double, kNumResources> beside{};
    const std::vector<Resource>& uses = graph_.tasks[static_cast<std::size_t>(task)].uses;
    for (std::size_t rank = 0; rank < ranks_.size(); ++rank) {
      const TaskSpan& span = span_of(task, rank);
      lengths.push_back(length_of(span));
      for (int r = 0; r < kNumResources; ++r) {
        if (std::find(uses.begin(), uses.end(), Resource(r)) != uses.end()) continue;
        beside[static_cast<std::size_t>(r)] +=
            neighbours_[rank].part_in_use(Resource(r), span) / static_cast<double>(ranks_.size());
      }
    }
    step_.spans.push_back(spread_of(lengths));
    step_.beside.push_back(beside);
  }

  const TaskGraph& graph_;
  const ParallelLayout& layout_;
  std::span<const Timeline> ranks_;
  std::vector<Neighbours> neighbours_;  // [rank]
  std::vector<Seconds> waits_;
  ObservedStep step_;
};

}  // namespace

Spread spread_of(const std::vector<Seconds>& samples) {
  if (samples.empty()) return {};
  std::vector<double> values_s;
  for (const Seconds sample : samples) values_s.push_back(sample.value());
  const double count = static_cast<double>(values_s.size());
  const double mean_s = mean(values_s);
  double squares = 0.0;
  for (const double value_s : values_s) squares += (value_s - mean_s) * (value_s - mean_s);
  return {.count = static_cast<int>(values_s.size()),
          .mean = Seconds(mean_s),
          .error = Seconds(values_s.size() < 2 ? 0.0 : std::sqrt(squares / (count - 1.0) / count)),
          .low = Seconds(quantile(values_s, 0.1)),
          .median = Seconds(quantile(values_s, 0.5)),
          .high = Seconds(quantile(values_s, 0.9))};
}

ObservedStep observe_step(const TaskGraph& graph, const ParallelLayout& layout, std::span<const Timeline> ranks) {
  SEXTANT_CHECK(static_cast<int>(ranks.size()) == layout.world_size(), "{} timelines of {} ranks", ranks.size(),
                layout.world_size());
  for (const Timeline& timeline : ranks) {
    SEXTANT_CHECK(timeline.spans.size() == graph.tasks.size(), "{} spans of {} tasks", timeline.spans.size(),
                  graph.tasks.size());
  }
  return Observer(graph, layout, ranks).observe();
}

}  // namespace sextant
