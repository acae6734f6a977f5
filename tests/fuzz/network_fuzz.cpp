// Network files: what loads reads back the same, has parameters, and is planned for one device.
#include "models/cluster.h"
#include "models/network.h"
#include "models/step_support.h"
#include "models/yaml_io.h"
#include "planner/setup_search.h"
#include "tests/fuzz/fuzz.h"
#include "tools/setup_table.h"

namespace sextant::fuzz {
namespace {

Network read_network(std::string_view text) {
  const ConfigNode root = ConfigNode::parse(text, kOrigin);
  root.expect_schema("sextant/network@1");
  return parse_network(root);
}

void require_parameters(const Network& network) {
  const std::int64_t total = total_parameters(network);
  const std::int64_t active = active_parameters(network);
  SEXTANT_CHECK(active > 0 && active <= total, "{} of {} parameters act", active, total);
  SEXTANT_CHECK(mtp_parameters(network) >= 0, "{} parameters", mtp_parameters(network));
  static_cast<void>(unsupported_by_step_model(network));
}

void require_plan(const Network& network) {
  static const Cluster kCluster = load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/dgx_h100.yaml");
  const SetupRequest request{.network = network,
                             .global_batch = 2,
                             .sequence = 4096,
                             .topology = {.nodes = 1, .devices_per_node = 1},
                             .threads = 1};
  const SetupResult result = search_setups(request, kCluster);
  for (const FoundSetup& found : result.setups) require_time(found.estimate.total());
  SEXTANT_CHECK(!result.setups.empty() || result.summary.nearest_miss, "neither a setup nor a miss");
  static_cast<void>(setup_result_json(request, kCluster, result));
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  const auto network = fuzz::answer([&] { return fuzz::read_network(fuzz::text_of(data, size)); });
  if (!network) return 0;
  const std::string text = network_to_yaml(*network);
  const Network again = fuzz::read_network(text);
  SEXTANT_CHECK(again == *network, "changed by writing and reading: {}", text);
  fuzz::require_parameters(*network);
  fuzz::require_plan(*network);
  return 0;
}
