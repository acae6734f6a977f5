#include "models/reference.h"

#include <string>

#include <gtest/gtest.h>

#include "models/error.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

constexpr const char* kText = R"(source: a datasheet
intra: {bandwidth: 330 GB/s, latency: 8 us}
inter: {bandwidth: 45 GB/s, latency: 15 us}
peak_fp8: 1.9789 PFLOP/s
product_efficiency: 0.7
product_efficiency_fp8: 0.55
half_rows: 400
half_width: 200
attention_forward_efficiency: 0.5
attention_backward_efficiency: 0.4
memory_efficiency: 0.8
kernel_latency: 6 us
)";

std::string written(const Reference& reference) {
  YamlWriter writer;
  writer.begin_map();
  write_reference(writer, reference);
  writer.end();
  return writer.text();
}

std::string replaced(const std::string& from, const std::string& to) {
  std::string text = kText;
  return text.replace(text.find(from), from.size(), to);
}

TEST(Reference, IsReadAndWrittenExactly) {
  const Reference reference = parse_reference(ConfigNode::parse(kText, "r.yaml"));
  EXPECT_EQ(reference.intra.bandwidth, BytesPerSecond(330e9));
  EXPECT_EQ(reference.inter.latency, Seconds(15e-6));
  EXPECT_EQ(reference.product_efficiency_fp8, 0.55);
  EXPECT_EQ(parse_reference(ConfigNode::parse(written(reference), "w.yaml")), reference);
}

TEST(Reference, ADeviceWithout8BitProductsSaysNothingOfThem) {
  const std::string text = replaced("peak_fp8: 1.9789 PFLOP/s\n", "");
  const Reference reference = parse_reference(ConfigNode::parse(text, "r.yaml"));
  EXPECT_EQ(reference.peak_fp8, FlopsPerSecond(0.0));
  EXPECT_EQ(written(reference).find("peak_fp8"), std::string::npos);
}

TEST(Reference, RefusesWhatNoMachineHas) {
  const auto read = [](const std::string& text) { return parse_reference(ConfigNode::parse(text, "r.yaml")); };
  EXPECT_THROW(read(replaced("product_efficiency: 0.7", "product_efficiency: 1.7")), ConfigError);
  EXPECT_THROW(read(replaced("bandwidth: 45 GB/s", "bandwidth: 0 GB/s")), ConfigError);
  EXPECT_THROW(read(replaced("bandwidth: 45 GB/s", "bandwidth: 1e-300 GB/s")), ConfigError);  // times beyond doubles
  EXPECT_THROW(read(replaced("latency: 15 us", "latency: 1e300 s")), ConfigError);
  EXPECT_THROW(read(replaced("half_rows: 400\n", "")), ConfigError);
  EXPECT_THROW(read(replaced("half_rows", "half_row")), ConfigError);
  EXPECT_THROW(read(replaced("product_efficiency_fp8: 0.55\n", "")),
               ConfigError);  // a rate of which nothing is reached
}

}  // namespace
}  // namespace sextant
