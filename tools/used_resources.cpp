#include "tools/used_resources.h"

#include <algorithm>

namespace sextant {

std::vector<Resource> used_resources(const TaskGraph& graph) {
  std::vector<Resource> used;
  for (int r = 0; r < kNumResources; ++r) {
    const auto resource = static_cast<Resource>(r);
    const bool is_used =
        std::ranges::any_of(graph.tasks, [&](const Task& task) { return std::ranges::count(task.uses, resource) > 0; });
    if (is_used) used.push_back(resource);
  }
  return used;
}

}  // namespace sextant
