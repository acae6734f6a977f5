#include "tools/chrome_trace.h"

#include <variant>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kMicrosecondsPerSecond = 1e6;

Json arguments(const Task& task, int element_bytes) {
  Json args{{"kind", to_text(task.kind)}, {"phase", to_text(task.phase)}};
  if (task.layer >= 0) args["layer"] = task.layer;
  args["micro_batch"] = task.micro_batch;
  if (task.num_chunks > 1) args["chunk"] = fmt::format("{}/{}", task.chunk + 1, task.num_chunks);
  if (const auto* kernel = std::get_if<KernelWork>(&task.work)) {
    args["flops"] = count(*kernel, element_bytes).flops.value();
  } else {
    const auto& collective = std::get<CollectiveWork>(task.work);
    args["collective"] = to_text(collective.op);
    args["ranks"] = collective.group.num_ranks();
    args["bytes"] = collective.buffer.value();
  }
  return args;
}

Json metadata(const char* name, int pid, Json args) {
  return {{"name", name}, {"ph", "M"}, {"pid", pid}, {"args", std::move(args)}};
}

Json thread_metadata(const char* name, int pid, Resource queue, Json args) {
  Json event = metadata(name, pid, std::move(args));
  event["tid"] = static_cast<int>(queue);
  return event;
}

void add_names(Json& events, const TaskGraph& graph, const TraceProcess& process) {
  events.push_back(metadata("process_name", process.pid, {{"name", process.name}}));
  events.push_back(metadata("process_sort_index", process.pid, {{"sort_index", process.sort_index}}));
  for (int r = 0; r < kNumResources; ++r) {
    if (graph.order[r].empty()) continue;
    const auto queue = static_cast<Resource>(r);
    events.push_back(thread_metadata("thread_name", process.pid, queue, {{"name", to_text(queue)}}));
    events.push_back(thread_metadata("thread_sort_index", process.pid, queue, {{"sort_index", r}}));
  }
}

void add_tasks(Json& events, const TaskGraph& graph, int element_bytes, const TraceProcess& process) {
  for (int r = 0; r < kNumResources; ++r) {
    for (const TaskId id : graph.order[r]) {
      const Task& task = graph.tasks[id];
      const TaskSpan& span = process.timeline->spans[id];
      events.push_back({{"name", task_name(task)},
                        {"cat", to_text(task.phase)},
                        {"ph", "X"},
                        {"pid", process.pid},
                        {"tid", r},
                        {"ts", span.start.value() * kMicrosecondsPerSecond},
                        {"dur", (span.end - span.start).value() * kMicrosecondsPerSecond},
                        {"args", arguments(task, element_bytes)}});
    }
  }
}

}  // namespace

std::string chrome_trace(const TaskGraph& graph, int element_bytes, std::span<const TraceProcess> processes) {
  Json events = Json::array();
  for (const TraceProcess& process : processes) {
    add_names(events, graph, process);
    add_tasks(events, graph, element_bytes, process);
  }
  return Json{{"displayTimeUnit", "ms"}, {"traceEvents", std::move(events)}}.dump() + "\n";
}

}  // namespace sextant
