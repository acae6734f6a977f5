// The resources that a step uses, for tables and JSON objects over resources.
#pragma once

#include <vector>

#include "planner/task_graph.h"

namespace sextant {

// Resources that any task of the graph occupies, in the order of Resource. A policy may issue a
// collective to another queue than its link's, so this is not the list of queues.
[[nodiscard]] std::vector<Resource> used_resources(const TaskGraph& graph);

}  // namespace sextant
