#include "planner/list_scheduler.h"

#include <algorithm>
#include <optional>
#include <queue>
#include <set>
#include <utility>

#include "models/error.h"

namespace sextant {
namespace {

std::size_t index_of(TaskId id) {
  return static_cast<std::size_t>(id);
}

std::vector<std::vector<TaskId>> dependents_of(const TaskGraph& graph) {
  std::vector<std::vector<TaskId>> dependents(graph.tasks.size());
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    for (const TaskId dependency : graph.tasks[id].dependencies) {
      dependents[index_of(dependency)].push_back(static_cast<TaskId>(id));
    }
  }
  return dependents;
}

class ListScheduler {
 public:
  ListScheduler(const TaskGraph& graph, const ListPriorities& priorities, Seconds launch_latency)
      : graph_(graph),
        priorities_(priorities),
        latency_(launch_latency.value()),
        dependents_(dependents_of(graph)),
        ready_at_(graph.tasks.size(), 0.0) {
    SEXTANT_CHECK(
        priorities.task_seconds.size() == graph.tasks.size() && priorities.urgency.size() == graph.tasks.size(),
        "priorities of {} and {} tasks for {}", priorities.task_seconds.size(), priorities.urgency.size(),
        graph.tasks.size());
    for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
      unmet_.push_back(graph.tasks[id].dependencies.size());
      if (unmet_.back() == 0) make_ready(static_cast<TaskId>(id));
    }
  }

  QueueOrders run() {
    start_what_can_start();
    while (!events_.empty()) {
      now_ = events_.top().time;
      while (!events_.empty() && events_.top().time <= now_) handle_next();
      start_what_can_start();
    }
    SEXTANT_CHECK(done_ == graph_.tasks.size(), "{} of {} tasks scheduled", done_, graph_.tasks.size());
    return std::move(order_);
  }

 private:
  enum class EventKind { kEnd, kReady };
  struct Event {
    double time;
    EventKind kind;
    TaskId task;
    bool operator>(const Event& other) const {
      return std::tie(time, kind, task) > std::tie(other.time, other.kind, other.task);
    }
  };
  // Most urgent first.
  using Entry = std::pair<double, TaskId>;
  using ReadySet = std::set<Entry>;

  void make_ready(TaskId id) {
    ready_[static_cast<std::size_t>(graph_.tasks[index_of(id)].queue)].insert({-priorities_.urgency[index_of(id)], id});
  }

  void handle_next() {
    const Event event = events_.top();
    events_.pop();
    if (event.kind == EventKind::kReady) return make_ready(event.task);
    const Task& task = graph_.tasks[index_of(event.task)];
    set_busy(task, false);
    ++done_;
    for (const TaskId next : dependents_[index_of(event.task)]) {
      const bool same_queue = graph_.tasks[index_of(next)].queue == task.queue;
      double& ready_at = ready_at_[index_of(next)];
      ready_at = std::max(ready_at, now_ + (same_queue ? 0.0 : latency_));
      if (--unmet_[index_of(next)] == 0) release(next, ready_at);
    }
  }

  void release(TaskId id, double ready_at) {
    if (ready_at <= now_) return make_ready(id);
    events_.push({ready_at, EventKind::kReady, id});
  }

  void set_busy(const Task& task, bool busy) {
    busy_[static_cast<std::size_t>(task.queue)] = busy;
    if (task.second_queue) busy_[static_cast<std::size_t>(*task.second_queue)] = busy;
  }

  [[nodiscard]] bool is_free(const Task& task) const {
    return !busy_[static_cast<std::size_t>(task.queue)] &&
           !(task.second_queue && busy_[static_cast<std::size_t>(*task.second_queue)]);
  }

  void start_what_can_start() {
    for (ReadySet& ready : ready_) {
      const auto first = std::ranges::find_if(
          ready, [&](const Entry& entry) { return is_free(graph_.tasks[index_of(entry.second)]); });
      if (first == ready.end()) continue;
      const TaskId id = first->second;
      ready.erase(first);
      start(id);
    }
  }

  void start(TaskId id) {
    const Task& task = graph_.tasks[index_of(id)];
    order_[static_cast<std::size_t>(task.queue)].push_back(id);
    if (task.second_queue) order_[static_cast<std::size_t>(*task.second_queue)].push_back(id);
    set_busy(task, true);
    events_.push({now_ + priorities_.task_seconds[index_of(id)], EventKind::kEnd, id});
  }

  const TaskGraph& graph_;
  const ListPriorities& priorities_;
  double latency_;
  std::vector<std::vector<TaskId>> dependents_;  // [task]
  std::vector<double> ready_at_;                 // [task]
  std::vector<std::size_t> unmet_;               // [task]
  std::array<ReadySet, kNumResources> ready_;
  std::array<bool, kNumResources> busy_{};
  std::priority_queue<Event, std::vector<Event>, std::greater<>> events_;
  QueueOrders order_;
  double now_ = 0.0;
  std::size_t done_ = 0;
};

}  // namespace

std::vector<double> task_seconds(const TaskGraph& graph, const CostModel& costs) {
  std::vector<double> seconds;
  seconds.reserve(graph.tasks.size());
  for (const Task& task : graph.tasks) seconds.push_back(costs.cost(task.work).time.value());
  return seconds;
}

std::vector<double> upward_ranks(const TaskGraph& graph, const std::vector<double>& task_seconds,
                                 Seconds launch_latency) {
  std::vector<double> behind(graph.tasks.size(), 0.0);  // longest path from the end of each task
  std::vector<double> ranks(graph.tasks.size());
  for (std::size_t id = graph.tasks.size(); id-- > 0;) {  // dependencies have lower ids
    ranks[id] = task_seconds[id] + behind[id];
    for (const TaskId dependency : graph.tasks[id].dependencies) {
      const bool same_queue = graph.tasks[index_of(dependency)].queue == graph.tasks[id].queue;
      double& path = behind[index_of(dependency)];
      path = std::max(path, ranks[id] + (same_queue ? 0.0 : launch_latency.value()));
    }
  }
  return ranks;
}

QueueOrders list_schedule(const TaskGraph& graph, const ListPriorities& priorities, Seconds launch_latency) {
  return ListScheduler(graph, priorities, launch_latency).run();
}

}  // namespace sextant
