#include "planner/time_shares.h"

#include <algorithm>
#include <map>
#include <tuple>

#include "models/error.h"

namespace sextant {
namespace {

using ShareKey = std::tuple<TaskKind, std::optional<GroupKind>, std::vector<Resource>>;

struct Edge {
  Seconds time;
  bool starts;
  TaskId task;
};

std::vector<Edge> edges_of(const Timeline& timeline) {
  std::vector<Edge> edges;
  for (std::size_t id = 0; id < timeline.spans.size(); ++id) {
    const TaskSpan& span = timeline.spans[id];
    if (span.end <= span.start) continue;
    edges.push_back({span.start, true, static_cast<TaskId>(id)});
    edges.push_back({span.end, false, static_cast<TaskId>(id)});
  }
  std::ranges::stable_sort(edges, {}, &Edge::time);
  return edges;
}

bool computes(const Task& task) {
  return std::ranges::count(task.uses, Resource::kCompute) > 0;
}

class Accounts {
 public:
  explicit Accounts(const TaskGraph& graph) : graph_(graph) {}

  void change(const Edge& edge) {
    if (edge.starts) {
      running_.push_back(edge.task);
    } else {
      std::erase(running_, edge.task);
    }
  }

  // `length` passes while the running tasks run.
  void pass(Seconds length) {
    if (length <= Seconds(0.0)) return;
    if (running_.empty()) {
      waiting_ += length;
      return;
    }
    const auto computes_now = [&](TaskId id) { return computes(task(id)); };
    const bool any_computes = std::ranges::any_of(running_, computes_now);
    const auto sharers =
        any_computes ? std::ranges::count_if(running_, computes_now) : static_cast<std::ptrdiff_t>(running_.size());
    for (const TaskId id : running_) {
      if (any_computes && !computes_now(id)) continue;
      times_[{task(id).kind, task(id).group, task(id).uses}] += length / static_cast<double>(sharers);
    }
  }

  [[nodiscard]] TimeShares result() const {
    TimeShares result{.shares = {}, .waiting = waiting_};
    for (const auto& [key, time] : times_) {
      const auto& [kind, group, uses] = key;
      result.shares.push_back({.kind = kind, .group = group, .uses = uses, .time = time});
    }
    return result;
  }

 private:
  [[nodiscard]] const Task& task(TaskId id) const { return graph_.tasks[static_cast<std::size_t>(id)]; }

  const TaskGraph& graph_;
  std::vector<TaskId> running_;
  std::map<ShareKey, Seconds> times_;
  Seconds waiting_;
};

}  // namespace

Seconds TimeShares::total() const {
  Seconds total = waiting;
  for (const TimeShare& share : shares) total += share.time;
  return total;
}

TimeShares time_shares(const TaskGraph& graph, const Timeline& timeline) {
  SEXTANT_CHECK(graph.tasks.size() == timeline.spans.size(), "{} tasks, {} spans", graph.tasks.size(),
                timeline.spans.size());
  Accounts accounts(graph);
  Seconds now(0.0);
  for (const Edge& edge : edges_of(timeline)) {
    accounts.pass(edge.time - now);
    accounts.change(edge);
    now = edge.time;
  }
  return accounts.result();
}

}  // namespace sextant
