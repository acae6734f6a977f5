#include "planner/timeline.h"

#include <algorithm>
#include <bitset>

#include "models/error.h"

namespace sextant {
namespace {

struct Edge {
  Seconds time;
  int resource;
  int change;  // +1: a task starts to use the resource, -1: it ends
};

std::vector<Edge> edges_of(const TaskGraph& graph, const Timeline& timeline) {
  std::vector<Edge> edges;
  for (std::size_t id = 0; id < graph.tasks.size(); ++id) {
    const TaskSpan& span = timeline.spans[id];
    if (span.end <= span.start) continue;
    for (const Resource used : graph.tasks[id].uses) {
      edges.push_back({span.start, static_cast<int>(used), 1});
      edges.push_back({span.end, static_cast<int>(used), -1});
    }
  }
  std::sort(edges.begin(), edges.end(), [](const Edge& a, const Edge& b) { return a.time < b.time; });
  return edges;
}

}  // namespace

Seconds Timeline::makespan() const {
  Seconds last(0.0);
  for (const TaskSpan& span : spans) last = std::max(last, span.end);
  return last;
}

TimelineSummary summarize(const TaskGraph& graph, const Timeline& timeline) {
  SEXTANT_CHECK(graph.tasks.size() == timeline.spans.size(), "{} tasks, {} spans", graph.tasks.size(),
                timeline.spans.size());
  TimelineSummary summary;
  summary.step_time = timeline.makespan();
  std::array<int, kNumResources> running{};
  Seconds now(0.0);
  const auto account = [&](Seconds until) {
    const Seconds length = until - now;
    bool any = false;
    for (int r = 0; r < kNumResources; ++r) {
      if (running[r] > 0) {
        summary.busy[r] += length;
        any = true;
      }
    }
    if (!any) summary.idle += length;
    const bool computes = running[static_cast<int>(Resource::kCompute)] > 0;
    const bool communicates =
        running[static_cast<int>(Resource::kIntra)] > 0 || running[static_cast<int>(Resource::kInter)] > 0;
    if (communicates && !computes) summary.exposed_communication += length;
    now = until;
  };
  for (const Edge& edge : edges_of(graph, timeline)) {
    account(edge.time);
    running[edge.resource] += edge.change;
  }
  return summary;
}

}  // namespace sextant
