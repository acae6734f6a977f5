#include "planner/simulator.h"

#include <algorithm>
#include <limits>

#include "models/error.h"
#include "planner/checked_costs.h"

namespace sextant {
namespace {

Seconds pick(const CostEstimate& estimate, Quantile quantile) {
  switch (quantile) {
    case Quantile::kLow:
      return estimate.low;
    case Quantile::kMedian:
      return estimate.time;
    case Quantile::kHigh:
      return estimate.high;
  }
  return estimate.time;
}

// State of one simulation. Time advances from event to event; between events every running task
// makes progress at a constant rate.
class Simulation {
 public:
  Simulation(const TaskGraph& graph, const CostModel& costs, Quantile quantile)
      : graph_(graph), costs_(costs), timeline_{std::vector<TaskSpan>(graph.tasks.size())} {
    remaining_.reserve(graph.tasks.size());
    for (const Task& task : graph.tasks) {
      const CostEstimate estimate = costs.cost(task.work);
      remaining_.push_back(pick(estimate, quantile).value());
      compute_share_.push_back(estimate.compute_share);
    }
    alone_ = remaining_;
    dependents_.resize(graph.tasks.size());
    unmet_.assign(graph.tasks.size(), 0);
    ready_at_.assign(graph.tasks.size(), 0.0);
    for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
      for (const TaskId dependency : graph.tasks[id].dependencies) {
        dependents_[dependency].push_back(static_cast<TaskId>(id));
        ++unmet_[id];
      }
    }
    latency_ = costs.launch_latency().value();
    for (int victim = 0; victim < kNumResources; ++victim) {
      for (int aggressor = 0; aggressor < kNumResources; ++aggressor) {
        slowdown_[victim][aggressor] = costs.slowdown(Resource(victim), Resource(aggressor));
        delay_[victim][aggressor] = costs.delay(Resource(victim), Resource(aggressor)).value();
      }
    }
  }

  Timeline run() {
    while (done_ < graph_.tasks.size()) {
      start_what_can_start();
      SEXTANT_CHECK(!running_.empty() || next_ready_ < kNever, "dead-lock after {} of {} tasks", done_,
                    graph_.tasks.size());
      advance();
    }
    return std::move(timeline_);
  }

 private:
  static constexpr double kNever = std::numeric_limits<double>::infinity();
  static constexpr double kLeastCompute = 0.05;  // of a rank, whatever the collectives beside it take

  struct Running {
    TaskId id;
    double rate;
  };

  bool is_head(TaskId id, Resource queue) const {
    const auto q = static_cast<int>(queue);
    return next_[q] < graph_.order[q].size() && graph_.order[q][next_[q]] == id && !busy_[q];
  }

  // Starts every task at the head of all its queues whose dependencies have ended; remembers when the
  // next one becomes ready by launch latency alone.
  void start_what_can_start() {
    next_ready_ = kNever;
    for (int q = 0; q < kNumResources; ++q) {
      if (busy_[q] || next_[q] >= graph_.order[q].size()) continue;
      const TaskId id = graph_.order[q][next_[q]];
      const Task& task = graph_.tasks[id];
      if (unmet_[id] > 0 || !is_head(id, task.queue)) continue;
      if (task.second_queue && !is_head(id, *task.second_queue)) continue;
      if (ready_at_[id] > now_) {
        next_ready_ = std::min(next_ready_, ready_at_[id]);
        continue;
      }
      start(id);
    }
  }

  void start(TaskId id) {
    const Task& task = graph_.tasks[id];
    busy_[static_cast<int>(task.queue)] = true;
    if (task.second_queue) busy_[static_cast<int>(*task.second_queue)] = true;
    for (const Resource used : task.uses) ++users_[static_cast<int>(used)];
    timeline_.spans[id].start = Seconds(now_);
    running_.push_back({id, 1.0});
  }

  // What the slow-downs by other resources in use leave of a task's rate.
  double slowed_rate(TaskId id) const {
    const Task& task = graph_.tasks[id];
    double rate = 1.0;
    for (int other = 0; other < kNumResources; ++other) {
      const bool own = std::find(task.uses.begin(), task.uses.end(), Resource(other)) != task.uses.end();
      if (own || users_[other] == 0) continue;
      rate /= slowdown(id, slowest_resource(task), other);
    }
    return rate;
  }

  // A collective over both tiers takes as long as its part between the nodes.
  static int slowest_resource(const Task& task) {
    int slowest = static_cast<int>(task.uses.front());
    for (const Resource used : task.uses) slowest = std::max(slowest, static_cast<int>(used));
    return slowest;
  }

  double slowdown(TaskId id, int victim, int aggressor) const {
    const double delay = delay_[victim][aggressor];
    return slowdown_[victim][aggressor] + (delay > 0.0 && alone_[id] > 0.0 ? delay / alone_[id] : 0.0);
  }

  void set_rates() {
    double taken = 0.0;  // of the rank's compute
    for (Running& task : running_) {
      task.rate = slowed_rate(task.id);
      taken += compute_share_[task.id] * task.rate;
    }
    const double left = std::max(1.0 - taken, kLeastCompute);
    for (Running& task : running_) {
      if (graph_.tasks[task.id].uses.front() == Resource::kCompute) task.rate *= left;
    }
  }

  // Moves time to the next end of a task or the next launch, whichever comes first.
  void advance() {
    double until = next_ready_;
    set_rates();
    for (const Running& task : running_) until = std::min(until, now_ + remaining_[task.id] / task.rate);
    std::vector<TaskId> ended;
    for (const Running& task : running_) {
      const double end = now_ + remaining_[task.id] / task.rate;
      if (end <= until) {
        ended.push_back(task.id);
      } else {
        remaining_[task.id] -= (until - now_) * task.rate;
      }
    }
    now_ = until;
    for (const TaskId id : ended) finish(id);
  }

  void finish(TaskId id) {
    const Task& task = graph_.tasks[id];
    timeline_.spans[id].end = Seconds(now_);
    std::erase_if(running_, [id](const Running& running) { return running.id == id; });
    release(task.queue);
    if (task.second_queue) release(*task.second_queue);
    for (const Resource used : task.uses) --users_[static_cast<int>(used)];
    for (const TaskId dependent : dependents_[id]) {
      --unmet_[dependent];
      const bool same_queue = graph_.tasks[dependent].queue == task.queue;
      ready_at_[dependent] = std::max(ready_at_[dependent], now_ + (same_queue ? 0.0 : latency_));
    }
    ++done_;
  }

  void release(Resource queue) {
    busy_[static_cast<int>(queue)] = false;
    ++next_[static_cast<int>(queue)];
  }

  const TaskGraph& graph_;
  const CostModel& costs_;
  Timeline timeline_;
  std::vector<double> remaining_;                // [task] seconds of work left at full rate
  std::vector<double> alone_;                    // [task] seconds of work at full rate
  std::vector<double> compute_share_;            // [task]
  std::vector<std::vector<TaskId>> dependents_;  // [task]
  std::vector<int> unmet_;                       // [task]
  std::vector<double> ready_at_;                 // [task]
  std::vector<Running> running_;
  std::array<std::size_t, kNumResources> next_{};
  std::array<bool, kNumResources> busy_{};
  std::array<int, kNumResources> users_{};
  std::array<std::array<double, kNumResources>, kNumResources> slowdown_{};
  std::array<std::array<double, kNumResources>, kNumResources> delay_{};  // seconds
  double latency_ = 0.0;
  double now_ = 0.0;
  double next_ready_ = kNever;
  std::size_t done_ = 0;
};

}  // namespace

Timeline simulate(const TaskGraph& graph, const CostModel& costs, Quantile quantile) {
  return Simulation(graph, CheckedCostModel(costs), quantile).run();
}

}  // namespace sextant
