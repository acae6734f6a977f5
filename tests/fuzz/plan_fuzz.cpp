// Plan files: what loads reads back the same, fits its step and is simulated.
#include "models/memory_model.h"
#include "models/yaml_io.h"
#include "planner/plan.h"
#include "planner/step_prediction.h"
#include "tests/fuzz/fuzz.h"
#include "tests/fuzz/small_inputs.h"
#include "tools/chrome_trace.h"
#include "tools/plan_table.h"

namespace sextant::fuzz {
namespace {

// What `simulate` does. Large graphs are built, but a simulation of them would be all that is fuzzed.
void require_simulation(const Plan& plan) {
  static const std::unique_ptr<CostModel> kCosts = make_cost_model(small_measured_cluster());
  constexpr std::size_t kMaxTasks = 500;
  const TaskGraph graph = build_step_graph(plan.step, plan.schedule);
  if (graph.tasks.size() > kMaxTasks) return;
  const StepPrediction prediction = predict_step(plan, kCosts.get());
  require_time(prediction.step_time);
  require_time(prediction.exposed_communication);
  const TraceProcess process{.name = "predicted", .timeline = &*prediction.timeline};
  static_cast<void>(chrome_trace(graph, plan.step.element_bytes, {&process, 1}));
}

}  // namespace
}  // namespace sextant::fuzz

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace sextant;
  const auto plan =
      fuzz::answer([&] { return parse_plan(ConfigNode::parse(fuzz::text_of(data, size), fuzz::kOrigin)); });
  if (!plan) return 0;
  const std::string text = plan_to_yaml(*plan);
  const Plan again = parse_plan(ConfigNode::parse(text, fuzz::kOrigin));
  SEXTANT_CHECK(again.schedule == plan->schedule && again.step.network == plan->step.network &&
                    again.step.layout == plan->step.layout && plan_to_yaml(again) == text,
                "changed by writing and reading: {}", text);
  fuzz::require_simulation(*plan);
  PlanResult result{.status = PlanStatus::kFound};
  result.plans.push_back(*plan);
  static_cast<void>(plan_result_json(result));
  static_cast<void>(plan_table(result.plans));
  return 0;
}
