// What is known of a machine that was not measured by us: rates from datasheets, efficiencies and link speeds from
// published measurements. Kept in the cluster file under `reference`; models/step_estimate.h prices steps on it.
#pragma once

#include <string>

#include "models/units.h"

namespace sextant {

class ConfigNode;
class YamlWriter;

// One rank's share of a tier of links, one direction, as collectives of large buffers reach it (busbw).
struct ReferenceLink {
  BytesPerSecond bandwidth{};
  Seconds latency{};  // of one collective
  bool operator==(const ReferenceLink&) const = default;
};

struct Reference {
  std::string source{};
  ReferenceLink intra{};
  ReferenceLink inter{};      // of one rank's network port; ranks of a node use theirs together
  FlopsPerSecond peak_fp8{};  // dense; zero: the device has none
  // Products reach `product_efficiency` of the peak when they are large, half of it when they have as many rows
  // (or columns, or depth) as the numbers below.
  double product_efficiency = 0.0;
  double product_efficiency_fp8 = 0.0;
  double half_rows = 0.0;
  double half_width = 0.0;
  double attention_forward_efficiency = 0.0;  // of fused attention, of the 16-bit peak
  double attention_backward_efficiency = 0.0;
  double memory_efficiency = 0.0;  // of the datasheet's bandwidth
  Seconds kernel_latency{};
  bool operator==(const Reference&) const = default;
};

// All keys are required but peak_fp8 and product_efficiency_fp8; the first needs the second. Throws ConfigError with
// path:line:column.
[[nodiscard]] Reference parse_reference(const ConfigNode& node);
// Writes the entries into the map that `writer` is in.
void write_reference(YamlWriter& writer, const Reference& reference);

}  // namespace sextant
