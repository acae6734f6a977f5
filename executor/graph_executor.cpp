#include "executor/graph_executor.h"

#include <algorithm>
#include <array>
#include <optional>
#include <utility>

#include "executor/runtime/common_error.h"
#include "models/error.h"

namespace sextant {
namespace {

constexpr auto kQueues = static_cast<std::size_t>(kNumResources);

std::size_t index_of(Resource queue) {
  return static_cast<std::size_t>(queue);
}
std::size_t index_of(TaskId task) {
  return static_cast<std::size_t>(task);
}

// Position of the last task of each queue that is known to have ended; -1: none.
using Progress = std::array<int, kQueues>;
constexpr Progress no_progress() {
  return {-1, -1, -1, -1};
}

void merge(Progress& into, const Progress& other) {
  for (std::size_t queue = 0; queue < kQueues; ++queue) into[queue] = std::max(into[queue], other[queue]);
}

// A task with what it needs each step, in issue order.
struct Step {
  TaskId task = kNoTask;
  std::string name;
  std::size_t queue = 0;
  std::optional<std::size_t> second_queue;
  std::vector<TaskId> awaited;  // dependencies whose end this queue does not know of otherwise
  TaskKernel kernel;
};

struct TaskEvents {
  std::unique_ptr<Event> start;
  std::unique_ptr<Event> end;
  std::unique_ptr<Event> second_ready;  // the second queue has come to this task
};

void check_positions(const TaskGraph& graph, const std::vector<TaskId>& issue_order) {
  SEXTANT_CHECK(issue_order.size() == graph.tasks.size(), "{} tasks issued of {}", issue_order.size(),
                graph.tasks.size());
  std::vector<bool> is_issued(graph.tasks.size(), false);
  Progress last = no_progress();
  const auto take_turn = [&](Resource queue, TaskId task) {
    const auto& order = graph.order[index_of(queue)];
    const auto turn = static_cast<std::size_t>(++last[index_of(queue)]);
    SEXTANT_CHECK(turn < order.size() && order[turn] == task, "task {} issued out of its turn on queue {}", task,
                  index_of(queue));
  };
  for (const TaskId id : issue_order) {
    SEXTANT_CHECK(id >= 0 && index_of(id) < graph.tasks.size() && !is_issued[index_of(id)], "task {} issued", id);
    const Task& task = graph.tasks[index_of(id)];
    for (const TaskId dependency : task.dependencies) {
      SEXTANT_CHECK(is_issued[index_of(dependency)], "task {} issued before task {}", id, dependency);
    }
    is_issued[index_of(id)] = true;
    take_turn(task.queue, id);
    if (task.second_queue) take_turn(*task.second_queue, id);
  }
}

// Chooses the dependencies to wait for by what every queue already knows: waiting for a task implies
// waiting for all that its queue had done and had waited for before it.
class WaitReducer {
 public:
  explicit WaitReducer(const TaskGraph& graph)
      : graph_(graph), at_end_(graph.tasks.size()), issued_at_(graph.tasks.size()) {
    known_.fill(no_progress());
    turn_.fill(-1);
  }

  // The next task in issue order.
  std::vector<TaskId> waits_of(TaskId id) {
    const Task& task = graph_.tasks[index_of(id)];
    Progress known = known_[index_of(task.queue)];
    if (task.second_queue) merge(known, known_[index_of(*task.second_queue)]);
    std::vector<TaskId> latest_first = task.dependencies;
    std::sort(latest_first.begin(), latest_first.end(),
              [&](TaskId a, TaskId b) { return issued_at_[index_of(a)] > issued_at_[index_of(b)]; });
    std::vector<TaskId> awaited;
    for (const TaskId dependency : latest_first) {
      const std::size_t queue = index_of(graph_.tasks[index_of(dependency)].queue);
      if (known[queue] >= at_end_[index_of(dependency)][queue]) continue;
      awaited.push_back(dependency);
      merge(known, at_end_[index_of(dependency)]);
    }
    finish(id, task, known);
    return awaited;
  }

 private:
  void finish(TaskId id, const Task& task, Progress known) {
    known[index_of(task.queue)] = ++turn_[index_of(task.queue)];
    if (task.second_queue) known[index_of(*task.second_queue)] = ++turn_[index_of(*task.second_queue)];
    known_[index_of(task.queue)] = known;
    if (task.second_queue) known_[index_of(*task.second_queue)] = known;
    at_end_[index_of(id)] = known;
    issued_at_[index_of(id)] = num_issued_++;
  }

  const TaskGraph& graph_;
  std::array<Progress, kQueues> known_;  // to each queue
  Progress turn_{};
  std::vector<Progress> at_end_;  // what is known to have ended when the task has
  std::vector<int> issued_at_;
  int num_issued_ = 0;
};

}  // namespace

struct GraphExecutor::Impl {
  Impl(const TaskGraph& graph, const std::vector<TaskId>& issue_order, Device& device, KernelSource& kernels);
  void issue(const Step& step);
  void issue_origin();
  void finish();
  [[nodiscard]] Timeline read_timeline() const;

  std::unique_ptr<Event> origin;
  std::vector<Step> steps;
  std::vector<TaskEvents> events;  // [task]
  // Last, so that their threads end before anything they use goes.
  std::array<std::unique_ptr<Stream>, kQueues> streams;
};

GraphExecutor::Impl::Impl(const TaskGraph& graph, const std::vector<TaskId>& issue_order, Device& device,
                          KernelSource& kernels)
    : origin(device.make_event()), events(graph.tasks.size()) {
  check_positions(graph, issue_order);
  WaitReducer reducer(graph);
  for (const TaskId id : issue_order) {
    const Task& task = graph.tasks[index_of(id)];
    Step step{.task = id,
              .name = task_name(task),
              .queue = index_of(task.queue),
              .second_queue = {},
              .awaited = reducer.waits_of(id),
              .kernel = {}};
    if (task.second_queue) step.second_queue = index_of(*task.second_queue);
    step.kernel = kernels.bind(task);
    steps.push_back(std::move(step));
    TaskEvents& own = events[index_of(id)];
    own = {.start = device.make_event(), .end = device.make_event(), .second_ready = nullptr};
    if (task.second_queue) own.second_ready = device.make_event();
  }
  for (std::size_t queue = 0; queue < kQueues; ++queue) {
    if (!graph.order[queue].empty()) streams[queue] = device.make_stream(to_text(static_cast<Resource>(queue)));
  }
}

void GraphExecutor::Impl::issue(const Step& step) {
  Stream& stream = *streams[step.queue];
  TaskEvents& own = events[index_of(step.task)];
  for (const TaskId dependency : step.awaited) stream.wait(*events[index_of(dependency)].end);
  if (step.second_queue) {
    streams[*step.second_queue]->record(*own.second_ready);
    stream.wait(*own.second_ready);
  }
  stream.record(*own.start);
  step.kernel(stream);
  stream.record(*own.end);
  if (step.second_queue) streams[*step.second_queue]->wait(*own.end);
}

// All queues start from one event, which gives the time 0 on the device's own clock.
void GraphExecutor::Impl::issue_origin() {
  Stream& first = *streams[steps.front().queue];
  first.record(*origin);
  for (const auto& stream : streams) {
    if (stream && stream.get() != &first) stream->wait(*origin);
  }
}

// Waits for every stream, then throws the error of the first task in issue order that met one, with its name.
void GraphExecutor::Impl::finish() {
  std::exception_ptr error;
  for (const auto& stream : streams) {
    try {
      if (stream) stream->synchronize();
    } catch (...) {
      if (!error) error = std::current_exception();
    }
  }
  if (!error) return;
  for (const Step& step : steps) {
    try {
      events[index_of(step.task)].end->synchronize();
    } catch (...) {
      rethrow_with_place(step.name);
    }
  }
  std::rethrow_exception(error);  // of work after the last task
}

Timeline GraphExecutor::Impl::read_timeline() const {
  const Seconds begin = origin->time();
  Timeline timeline;
  timeline.spans.reserve(events.size());
  for (const TaskEvents& own : events) {
    timeline.spans.push_back({.start = own.start->time() - begin, .end = own.end->time() - begin});
  }
  return timeline;
}

GraphExecutor::GraphExecutor(const TaskGraph& graph, std::vector<TaskId> issue_order, Device& device,
                             KernelSource& kernels)
    : impl_(std::make_unique<Impl>(graph, issue_order, device, kernels)) {}

GraphExecutor::~GraphExecutor() = default;

Timeline GraphExecutor::run() {
  if (impl_->steps.empty()) return {};
  impl_->issue_origin();
  for (const Step& step : impl_->steps) impl_->issue(step);
  impl_->finish();
  return impl_->read_timeline();
}

}  // namespace sextant
