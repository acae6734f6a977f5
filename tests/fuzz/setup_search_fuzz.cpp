// Bytes as (network, cluster, request): every setup found uses all devices, divides, fits and keeps what was fixed;
// where none is found the reason is told; small spaces are searched a second time without bounds.
#include <algorithm>
#include <array>

#include "models/cluster.h"
#include "planner/setup_search.h"
#include "tests/fuzz/request_bytes.h"
#include "tools/setup_table.h"

namespace sextant::fuzz {
namespace {

constexpr int kMaxNodes = 1 << 20;  // what the command line takes
constexpr std::int64_t kMaxBatch = 1 << 30;

const Cluster& cluster_of(RequestBytes& bytes) {
  static const std::array kClusters{load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/dgx_h100.yaml"),
                                    load_cluster(SEXTANT_SOURCE_DIR "/configs/clusters/dgx_a100.yaml")};
  return kClusters[bytes.coin() ? 1 : 0];
}

SetupRequest request_of(RequestBytes& bytes, const Network& network) {
  SetupRequest request{.network = network};
  request.global_batch = bytes.count(64, kMaxBatch);
  request.sequence = bytes.count(128, kMaxBatch);
  request.topology = {.nodes = bytes.count_int(16, kMaxNodes), .devices_per_node = bytes.count_int(16, kMaxNodes)};
  request.precision = bytes.coin() ? Precision::kBf16 : Precision::kFp8;
  for (std::optional<int> SetupRequest::*degree :
       {&SetupRequest::pp, &SetupRequest::dp, &SetupRequest::cp, &SetupRequest::tp, &SetupRequest::edp,
        &SetupRequest::ep, &SetupRequest::esp}) {
    if (bytes.coin()) request.*degree = bytes.fixed(16);
  }
  if (bytes.coin()) request.micro_batch = bytes.count(16, kMaxBatch);
  request.top = bytes.count_int(3, 20);
  request.threads = 1;
  if (bytes.coin()) request.forward_degree = bytes.fixed(16);
  if (bytes.coin()) request.backward_degree = bytes.fixed(16);
  if (bytes.coin()) request.overlap = static_cast<Overlap>(bytes.count_int(kNumOverlaps, kNumOverlaps) - 1);
  return request;
}

void require_divides(std::int64_t divisor, std::int64_t number, const char* what) {
  SEXTANT_CHECK(divisor >= 1 && number % divisor == 0, "{}: {} does not divide {}", what, divisor, number);
}

void require_fixed(std::optional<int> fixed, int value, const char* what) {
  SEXTANT_CHECK(!fixed || *fixed == value, "{} {} instead of {}", what, value, fixed.value_or(0));
}

void require_degrees(const SetupRequest& request, const TrainingSetup& setup) {
  const ParallelDegrees& d = setup.degrees;
  const Network& n = request.network;
  const int devices = request.topology.num_ranks();
  SEXTANT_CHECK(std::int64_t{d.pp} * d.dp * d.cp * d.tp == devices, "{} on {} devices", to_text(setup), devices);
  SEXTANT_CHECK(std::int64_t{d.pp} * d.edp * d.ep * d.esp == devices, "{} on {} devices", to_text(setup), devices);
  SEXTANT_CHECK(d.pp <= n.layers && d.tp <= request.topology.devices_per_node, "{}", to_text(setup));
  require_divides(d.tp, n.heads, "tp, heads");
  require_divides(std::int64_t{d.cp} * d.tp, request.sequence, "cp tp, sequence");
  if (n.num_experts > 0) {
    require_divides(d.ep, n.num_experts, "ep, experts");
    require_divides(d.esp, n.expert_hidden_dim, "esp, hidden dim");
  }
  SEXTANT_CHECK(setup.global_batch() == request.global_batch, "a batch of {}", setup.global_batch());
  require_fixed(request.pp, d.pp, "pp");
  require_fixed(request.dp, d.dp, "dp");
  require_fixed(request.cp, d.cp, "cp");
  require_fixed(request.tp, d.tp, "tp");
  require_fixed(request.edp, d.edp, "edp");
  require_fixed(request.ep, d.ep, "ep");
  require_fixed(request.esp, d.esp, "esp");
  require_fixed(request.forward_degree, setup.forward_degree, "forward degree");
  require_fixed(request.backward_degree, setup.backward_degree, "backward degree");
  SEXTANT_CHECK(!request.overlap || *request.overlap == setup.overlap, "{}", to_text(setup));
}

void require_answer(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  Seconds before(0.0);
  for (const FoundSetup& found : result.setups) {
    require_degrees(request, found.setup);
    require_time(found.estimate.total());
    SEXTANT_CHECK(found.estimate.total() >= before, "{} after {}", found.estimate.total().value(), before.value());
    SEXTANT_CHECK(found.memory.total() <= cluster.device.memory, "{} do not fit", to_text(found.memory.total()));
    before = found.estimate.total();
  }
  const SetupSearchSummary& summary = result.summary;
  SEXTANT_CHECK(summary.evaluated + summary.pruned == summary.setups, "{} + {} of {} setups", summary.evaluated,
                summary.pruned, summary.setups);
  if (result.setups.empty()) {
    SEXTANT_CHECK(summary.setups == 0 || summary.nearest_miss, "no reason");
    require_clear(infeasible_setups_text(request, cluster, result));
  } else {
    SEXTANT_CHECK(result.lower_bound() <= result.setups.front().estimate.total(), "a bound above the best");
    static_cast<void>(setup_table(request, cluster, result));
  }
  static_cast<void>(setup_result_json(request, cluster, result));
}

void require_enumeration_agrees(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  constexpr std::int64_t kSmallSpace = 2000;  // setups of networks of up to 32 layers
  if (result.summary.setups * std::max(request.network.layers, 32) > kSmallSpace * 32) return;
  const SetupResult whole = search_setups_by_enumeration(request, cluster);
  SEXTANT_CHECK(whole.setups.size() == result.setups.size(), "{} setups of {}", result.setups.size(),
                whole.setups.size());
  for (std::size_t i = 0; i < whole.setups.size(); ++i) {
    SEXTANT_CHECK(whole.setups[i].setup == result.setups[i].setup, "{} instead of {}", to_text(result.setups[i].setup),
                  to_text(whole.setups[i].setup));
  }
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  fuzz::RequestBytes bytes(data, size);
  const Cluster& cluster = fuzz::cluster_of(bytes);
  const auto network = bytes.network(true);
  if (!network) return 0;
  const SetupRequest request = fuzz::request_of(bytes, *network);
  const auto result = fuzz::answer([&] { return search_setups(request, cluster); }, false);
  if (!result) return 0;
  fuzz::require_answer(request, cluster, *result);
  fuzz::require_enumeration_agrees(request, cluster, *result);
  return 0;
}
