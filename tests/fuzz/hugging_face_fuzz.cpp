// Any config.json: imported as a network whose file reads back the same, or refused.
#include "models/network.h"
#include "models/step_support.h"
#include "models/yaml_io.h"
#include "tests/fuzz/fuzz.h"
#include "tools/hugging_face/json_config.h"
#include "tools/hugging_face/network_import.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  const auto network = fuzz::answer([&] {
    return network_from_hugging_face(JsonConfig::parse(fuzz::text_of(data, size), fuzz::kOrigin), {.name = "imported"});
  });
  if (!network) return 0;
  const std::string text = network_to_yaml(*network);
  SEXTANT_CHECK(parse_network(ConfigNode::parse(text, fuzz::kOrigin)) == *network, "changed: {}", text);
  SEXTANT_CHECK(active_parameters(*network) > 0 && active_parameters(*network) <= total_parameters(*network),
                "{} of {} parameters act", active_parameters(*network), total_parameters(*network));
  static_cast<void>(unsupported_by_step_model(*network));
  return 0;
}
