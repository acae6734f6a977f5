// Parts that plan files (planner/plan.h) and setup files (planner/setup_plan.h) have in common.
#pragma once

#include <string>

#include <fmt/format.h>

#include "models/layout.h"
#include "models/yaml_io.h"
#include "planner/plan.h"

namespace sextant {

// The entries `topology` and `layout` of the map that `yaml` is in.
void write_layout(YamlWriter& yaml, const ParallelLayout& layout);
[[nodiscard]] ParallelLayout read_layout(const ConfigNode& root);

// The entry `prediction`.
void write_prediction(YamlWriter& yaml, const Prediction& prediction);
[[nodiscard]] Prediction read_prediction(const ConfigNode& node);

// Reads one of the enumerators `all` by its text; the error lists them.
template <typename Enum, typename Range>
[[nodiscard]] Enum read_enum(const ConfigNode& node, const Range& all) {
  std::string allowed;
  for (const Enum value : all) {
    if (node.as_string() == to_text(value)) return value;
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", to_text(value));
  }
  node.fail(fmt::format("'{}' is none of: {}", node.as_string(), allowed));
}

}  // namespace sextant
