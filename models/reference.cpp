#include "models/reference.h"

#include <limits>

#include <fmt/format.h>

#include "models/yaml_io.h"

namespace sextant {
namespace {

Seconds parse_latency(const ConfigNode& node) {
  constexpr Seconds kMost(1e3);
  const Seconds latency = node.as_seconds();
  if (latency > kMost) node.fail(fmt::format("found {}, expected at most {}", to_text(latency), to_text(kMost)));
  return latency;
}

ReferenceLink parse_link(const ConfigNode& node) {
  node.expect_keys({"bandwidth", "latency"});
  const ReferenceLink link{.bandwidth = node["bandwidth"].as_bytes_per_second(),
                           .latency = parse_latency(node["latency"])};
  if (link.bandwidth < BytesPerSecond(1.0)) node["bandwidth"].fail("found zero or next to it, expected at least 1 B/s");
  return link;
}

void write_link(YamlWriter& writer, const char* key, const ReferenceLink& link) {
  writer.begin_flow_map(key)
      .entry("bandwidth", to_exact_text(link.bandwidth))
      .entry("latency", to_exact_text(link.latency))
      .end();
}

double parse_efficiency(const ConfigNode& node) {
  constexpr double kLeast = 1e-3;
  return node.as_double(kLeast, 1.0);
}

}  // namespace

Reference parse_reference(const ConfigNode& node) {
  node.expect_keys(
      {"source", "intra", "inter", "product_efficiency", "half_rows", "half_width", "attention_forward_efficiency",
       "attention_backward_efficiency", "memory_efficiency", "kernel_latency"},
      {"peak_fp8", "product_efficiency_fp8"});
  constexpr double kMaxRows = 1e6;
  Reference reference;
  reference.source = node["source"].as_string();
  reference.intra = parse_link(node["intra"]);
  reference.inter = parse_link(node["inter"]);
  reference.product_efficiency = parse_efficiency(node["product_efficiency"]);
  if (node.has("peak_fp8")) reference.peak_fp8 = node["peak_fp8"].as_flops_per_second();
  if (reference.peak_fp8 > FlopsPerSecond(0.0) && reference.peak_fp8 < FlopsPerSecond(1.0)) {
    node["peak_fp8"].fail("found next to nothing, expected at least 1 FLOP/s, or 0 FLOP/s for none");
  }
  if (node.has("product_efficiency_fp8")) {
    reference.product_efficiency_fp8 = parse_efficiency(node["product_efficiency_fp8"]);
  }
  if (reference.peak_fp8 > FlopsPerSecond(0.0) && reference.product_efficiency_fp8 == 0.0) {
    node["peak_fp8"].fail("found without product_efficiency_fp8; allowed: both, or neither");
  }
  reference.half_rows = node["half_rows"].as_double(0.0, kMaxRows);
  reference.half_width = node["half_width"].as_double(0.0, kMaxRows);
  reference.attention_forward_efficiency = parse_efficiency(node["attention_forward_efficiency"]);
  reference.attention_backward_efficiency = parse_efficiency(node["attention_backward_efficiency"]);
  reference.memory_efficiency = parse_efficiency(node["memory_efficiency"]);
  reference.kernel_latency = parse_latency(node["kernel_latency"]);
  return reference;
}

void write_reference(YamlWriter& writer, const Reference& reference) {
  writer.entry("source", reference.source);
  write_link(writer, "intra", reference.intra);
  write_link(writer, "inter", reference.inter);
  if (reference.peak_fp8 > FlopsPerSecond(0.0)) writer.entry("peak_fp8", to_exact_text(reference.peak_fp8));
  writer.entry("product_efficiency", reference.product_efficiency);
  if (reference.product_efficiency_fp8 > 0.0) {
    writer.entry("product_efficiency_fp8", reference.product_efficiency_fp8);
  }
  writer.entry("half_rows", reference.half_rows)
      .entry("half_width", reference.half_width)
      .entry("attention_forward_efficiency", reference.attention_forward_efficiency)
      .entry("attention_backward_efficiency", reference.attention_backward_efficiency)
      .entry("memory_efficiency", reference.memory_efficiency)
      .entry("kernel_latency", to_exact_text(reference.kernel_latency));
}

}  // namespace sextant
