#include "executor/graph_executor.h"

#include <condition_variable>
#include <mutex>
#include <random>
#include <set>

#include <gtest/gtest.h>

#include "executor/runtime/cpu/cpu_device.h"
#include "models/error.h"

namespace sextant {
namespace {

// A task of `queue` after `dependencies`; its id is its place.
void add(TaskGraph& graph, Resource queue, std::vector<TaskId> dependencies,
         std::optional<Resource> second_queue = std::nullopt) {
  const auto id = static_cast<TaskId>(graph.tasks.size());
  Task task;
  task.layer = id;  // so that the kernel source knows which task it binds
  task.queue = queue;
  task.second_queue = second_queue;
  task.uses = {queue};
  task.dependencies = std::move(dependencies);
  graph.tasks.push_back(task);
  graph.order[static_cast<std::size_t>(queue)].push_back(id);
  if (second_queue) graph.order[static_cast<std::size_t>(*second_queue)].push_back(id);
}

std::vector<TaskId> by_id(const TaskGraph& graph) {
  std::vector<TaskId> order(graph.tasks.size());
  for (std::size_t i = 0; i < order.size(); ++i) order[i] = static_cast<TaskId>(i);
  return order;
}

// Kernels that check, while they run, that all of their dependencies have and that their queues are theirs.
class CheckingKernels : public KernelSource {
 public:
  explicit CheckingKernels(const TaskGraph& graph) : graph_(graph) {}

  TaskKernel bind(const Task& task) override {
    const TaskId id = task.layer;
    return [this, id](Stream& stream) {
      stream.enqueue([this, id] {
        enter(id);
        leave(id);
      });
    };
  }
  [[nodiscard]] std::vector<TaskId> take_ran() { return std::exchange(ran_, {}); }

 private:
  void enter(TaskId id) {
    std::scoped_lock lock(mutex_);
    const Task& task = graph_.tasks[static_cast<std::size_t>(id)];
    for (const TaskId dependency : task.dependencies) {
      EXPECT_TRUE(std::find(ran_.begin(), ran_.end(), dependency) != ran_.end()) << id << " before " << dependency;
    }
    EXPECT_TRUE(busy_.insert(task.queue).second) << id;
    if (!task.second_queue) return;
    EXPECT_TRUE(busy_.insert(*task.second_queue).second) << id;
  }
  void leave(TaskId id) {
    std::scoped_lock lock(mutex_);
    const Task& task = graph_.tasks[static_cast<std::size_t>(id)];
    busy_.erase(task.queue);
    if (task.second_queue) busy_.erase(*task.second_queue);
    ran_.push_back(id);
  }

  const TaskGraph& graph_;
  std::mutex mutex_;
  std::set<Resource> busy_;
  std::vector<TaskId> ran_;
};

class FunctionKernels : public KernelSource {
 public:
  explicit FunctionKernels(std::function<void(TaskId)> kernel) : kernel_(std::move(kernel)) {}
  TaskKernel bind(const Task& task) override {
    return [this, id = task.layer](Stream& stream) { stream.enqueue([this, id] { kernel_(id); }); };
  }

 private:
  std::function<void(TaskId)> kernel_;
};

void expect_spans_in_order(const TaskGraph& graph, const Timeline& timeline) {
  ASSERT_EQ(timeline.spans.size(), graph.tasks.size());
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    EXPECT_GE(timeline.spans[id].start, Seconds(0.0));
    EXPECT_LE(timeline.spans[id].start, timeline.spans[id].end);
    for (const TaskId dependency : graph.tasks[id].dependencies) {
      EXPECT_LE(timeline.spans[static_cast<std::size_t>(dependency)].end, timeline.spans[id].start);
    }
  }
  for (const std::vector<TaskId>& order : graph.order) {
    for (std::size_t i = 1; i < order.size(); ++i) {
      EXPECT_LE(timeline.spans[static_cast<std::size_t>(order[i - 1])].end,
                timeline.spans[static_cast<std::size_t>(order[i])].start);
    }
  }
}

TaskGraph random_graph(std::mt19937& generator, int num_tasks) {
  TaskGraph graph;
  for (int id = 0; id < num_tasks; ++id) {
    std::vector<TaskId> dependencies;
    for (unsigned i = generator() % 4; i > 0 && id > 0; --i) {
      dependencies.push_back(static_cast<TaskId>(generator() % static_cast<unsigned>(id)));
    }
    const auto queue = generator() % kNumResources;
    const auto second = generator() % kNumResources;
    const bool is_double = second != queue && generator() % 4 == 0;
    add(graph, static_cast<Resource>(queue), std::move(dependencies),
        is_double ? std::optional(static_cast<Resource>(second)) : std::nullopt);
  }
  return graph;
}

TEST(GraphExecutor, HonoursOrdersAndDependenciesOfRandomGraphs) {
  constexpr unsigned kSeed = 11;
  RecordProperty("seed", kSeed);
  std::mt19937 generator(kSeed);
  CpuDevice device(1, {});
  for (int instance = 0; instance < 60; ++instance) {
    SCOPED_TRACE(::testing::Message() << "seed " << kSeed << " instance " << instance);
    const TaskGraph graph = random_graph(generator, 40);
    CheckingKernels kernels(graph);
    GraphExecutor executor(graph, by_id(graph), device, kernels);
    for (int run = 0; run < 3; ++run) {
      const Timeline timeline = executor.run();
      EXPECT_EQ(kernels.take_ran().size(), graph.tasks.size());
      expect_spans_in_order(graph, timeline);
    }
  }
}

TEST(GraphExecutor, RunsIndependentQueuesAtTheSameTime) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kInter, {});
  CpuDevice device(1, {});
  std::mutex mutex;
  std::condition_variable both_here;
  int here = 0;
  FunctionKernels kernels([&](TaskId) {  // returns only if the other runs too
    std::unique_lock lock(mutex);
    ++here;
    both_here.notify_all();
    both_here.wait(lock, [&] { return here == 2; });
  });
  GraphExecutor executor(graph, by_id(graph), device, kernels);
  const Timeline timeline = executor.run();
  EXPECT_LT(timeline.spans[0].start, timeline.spans[1].end);
  EXPECT_LT(timeline.spans[1].start, timeline.spans[0].end);
}

TEST(GraphExecutor, OfAnEmptyGraphReturnsNoSpans) {
  const TaskGraph graph;
  CpuDevice device(1, {});
  FunctionKernels kernels([](TaskId) {});
  EXPECT_TRUE(GraphExecutor(graph, {}, device, kernels).run().spans.empty());
}

TEST(GraphExecutor, RethrowsTheErrorOfTheFirstTaskAndCanRunAgain) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kInter, {0});
  add(graph, Resource::kCompute, {1});
  CpuDevice device(1, {});
  bool fails = true;
  int last_runs = 0;
  FunctionKernels kernels([&](TaskId id) {
    if (id == 1 && fails) throw ModelError("task 1");
    if (id == 2) ++last_runs;
  });
  GraphExecutor executor(graph, by_id(graph), device, kernels);
  EXPECT_THROW(static_cast<void>(executor.run()), ModelError);
  EXPECT_EQ(last_runs, 0);
  fails = false;
  static_cast<void>(executor.run());
  EXPECT_EQ(last_runs, 1);
}

TEST(GraphExecutor, NamesTheTaskInWhichABackendFailed) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kInter, {0});
  CpuDevice device(1, {});
  FunctionKernels kernels([&](TaskId id) {
    if (id == 1) throw BackendError("rank 2: given up");
  });
  GraphExecutor executor(graph, by_id(graph), device, kernels);
  try {
    static_cast<void>(executor.run());
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_EQ(error.what(), task_name(graph.tasks[1]) + ": rank 2: given up");
  }
}

TEST(GraphExecutor, RefusesOrdersThatDoNotFitTheGraph) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kInter, {0});
  CpuDevice device(1, {});
  FunctionKernels kernels([](TaskId) {});
  EXPECT_THROW(GraphExecutor(graph, {1, 0}, device, kernels), InternalError);
  EXPECT_THROW(GraphExecutor(graph, {0}, device, kernels), InternalError);
  EXPECT_THROW(GraphExecutor(graph, {0, 0}, device, kernels), InternalError);
}

// A device whose streams run kernels at once on the host, as CUDA's do with launches, and which counts waits.
class EagerEvent : public Event {
 public:
  void synchronize() override {}
  [[nodiscard]] Seconds time() const override { return Seconds(at); }
  double at = 0.0;
};
class EagerStream : public Stream {
 public:
  EagerStream(double& clock, int& num_waits) : clock_(clock), num_waits_(num_waits) {}
  void enqueue(std::function<void()> kernel) override { kernel(); }
  void record(Event& event) override { static_cast<EagerEvent&>(event).at = clock_++; }
  void wait(Event& /*event*/) override { ++num_waits_; }
  void synchronize() override {}

 private:
  double& clock_;
  int& num_waits_;
};
class EagerDevice : public Device {
 public:
  void* allocate(std::size_t) override { return nullptr; }
  void deallocate(void*) noexcept override {}
  void copy_to_host(void*, const void*, std::size_t) override {}
  void copy_to_device(void*, const void*, std::size_t) override {}
  std::unique_ptr<Stream> make_stream(const std::string&) override {
    return std::make_unique<EagerStream>(clock_, num_waits);
  }
  std::unique_ptr<Event> make_event() override { return std::make_unique<EagerEvent>(); }
  std::string description() const override { return "eager"; }
  Bytes memory() const override { return Bytes(0.0); }
  int num_waits = 0;

 private:
  double clock_ = 0.0;
};

TEST(GraphExecutor, WorksOnADeviceThatRunsKernelsAtOnce) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kInter, {0});
  EagerDevice device;
  std::vector<TaskId> ran;
  FunctionKernels kernels([&](TaskId id) { ran.push_back(id); });
  GraphExecutor executor(graph, by_id(graph), device, kernels);
  expect_spans_in_order(graph, executor.run());
  EXPECT_EQ(ran, (std::vector<TaskId>{0, 1}));
}

TEST(GraphExecutor, WaitsOnlyWhereTheOrderIsNotKnownAlready) {
  TaskGraph graph;
  add(graph, Resource::kCompute, {});
  add(graph, Resource::kCompute, {0});   // same queue: no wait
  add(graph, Resource::kInter, {0, 1});  // one wait, for task 1, implies task 0
  add(graph, Resource::kInter, {1});     // known since task 2
  add(graph, Resource::kIntra, {3, 0});  // one wait, for task 3, implies what inter had waited for
  EagerDevice device;
  FunctionKernels kernels([](TaskId) {});
  GraphExecutor executor(graph, by_id(graph), device, kernels);
  static_cast<void>(executor.run());
  constexpr int kWaitsForOrigin = 2;  // of the queues inter and intra
  EXPECT_EQ(device.num_waits, kWaitsForOrigin + 2);
}

}  // namespace
}  // namespace sextant
