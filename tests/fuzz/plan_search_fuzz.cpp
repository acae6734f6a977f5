// Bytes as (network, request) on a small measured cluster: every plan found fits the request, loads again from its
// file and is simulated to the time that it names; where none is found a reason is.
#include "models/cluster.h"
#include "models/yaml_io.h"
#include "planner/layout_search.h"
#include "planner/step_prediction.h"
#include "tests/fuzz/request_bytes.h"
#include "tests/fuzz/small_inputs.h"
#include "tools/plan_table.h"

namespace sextant::fuzz {
namespace {

SearchRequest request_of(RequestBytes& bytes, const Network& network) {
  SearchRequest request;
  request.network = network;
  request.global_batch = bytes.count(4, 8);
  request.sequence = bytes.count(16, 64);
  request.topology = Topology{.nodes = bytes.count_int(2, 7), .devices_per_node = bytes.count_int(2, 5)};
  request.policy = static_cast<Policy>(bytes.count_int(kNumPolicies, kNumPolicies) - 1);
  for (std::optional<int> SearchRequest::*degree :
       {&SearchRequest::pp, &SearchRequest::cp, &SearchRequest::tp, &SearchRequest::ep, &SearchRequest::esp,
        &SearchRequest::edp, &SearchRequest::dp}) {
    if (bytes.coin()) request.*degree = bytes.fixed(8);
  }
  if (bytes.coin()) request.micro_batch = bytes.count(4, 8);
  if (bytes.coin()) request.forward_degree = bytes.fixed(40);
  if (bytes.coin()) request.backward_degree = bytes.fixed(40);
  request.max_degree = 3;
  request.ordered = 1;
  request.top = bytes.count_int(2, 4);
  return request;
}

void require_plan(const SearchRequest& request, const Plan& plan, const CostModel& costs) {
  const ParallelDegrees& d = plan.step.layout.degrees();
  SEXTANT_CHECK(d.dp * d.tp == request.topology->num_ranks() && d.edp * d.ep * d.esp == d.dp * d.tp, "{} ranks",
                request.topology->num_ranks());
  SEXTANT_CHECK(plan.step.micro_batch * plan.step.num_micro_batches * d.dp == request.global_batch, "{} x {} x dp {}",
                plan.step.micro_batch, plan.step.num_micro_batches, d.dp);
  const std::string text = plan_to_yaml(plan);
  const Plan again = parse_plan(ConfigNode::parse(text, kOrigin));
  SEXTANT_CHECK(again.schedule == plan.schedule && plan_to_yaml(again) == text, "a plan that changes: {}", text);
  const Seconds time = predict_step(again, &costs).step_time;
  require_time(time);
  SEXTANT_CHECK(time == plan.prediction.step_time, "planned {} s, simulated {} s", plan.prediction.step_time.value(),
                time.value());
  SEXTANT_CHECK(plan.prediction.lower_bound.value() <= time.value() * (1.0 + 1e-9), "a bound of {} s above {} s",
                plan.prediction.lower_bound.value(), time.value());
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  static const Cluster kCluster = fuzz::small_measured_cluster();
  static const std::unique_ptr<CostModel> kCosts = make_cost_model(kCluster);
  fuzz::RequestBytes bytes(data, size);
  const auto network = bytes.network(false);
  if (!network) return 0;
  const SearchRequest request = fuzz::request_of(bytes, *network);
  const auto result = fuzz::answer([&] { return search_plans(request, kCluster); }, false);
  if (!result) return 0;
  for (const Plan& plan : result->plans) fuzz::require_plan(request, plan, *kCosts);
  if (result->plans.empty()) fuzz::require_clear(infeasible_text(*result));
  static_cast<void>(plan_result_json(*result));
  return 0;
}
