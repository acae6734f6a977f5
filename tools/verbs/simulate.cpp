// sextant simulate: the step of a plan on the cost model of a cluster file.
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/yaml_io.h"
#include "planner/schedule.h"
#include "planner/step_prediction.h"
#include "tools/chrome_trace.h"
#include "tools/console.h"
#include "tools/plan_inputs.h"
#include "tools/used_resources.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct SimulateArguments {
  std::string plan;
  std::string cluster;
  std::optional<std::string> trace;
  bool json = false;
};

std::string result_json(const Plan& plan, const TaskGraph& graph, const StepPrediction& prediction) {
  using Json = nlohmann::ordered_json;
  Json busy = Json::object();
  for (const Resource resource : used_resources(graph)) {
    busy[to_text(resource)] = prediction.use->busy_fraction[static_cast<int>(resource)];
  }
  const Json json{{"schedule", to_text(plan.schedule.policy)},
                  {"layout", to_text(plan.step.layout.degrees())},
                  {"tasks", graph.tasks.size()},
                  {"step_time_s", prediction.step_time.value()},
                  {"step_time_interval_s", {prediction.step_time_low.value(), prediction.step_time_high.value()}},
                  {"busy_fraction", std::move(busy)},
                  {"exposed_communication_s", prediction.exposed_communication.value()}};
  return json.dump() + "\n";
}

std::string result_text(const Plan& plan, const TaskGraph& graph, const StepPrediction& prediction) {
  std::string text = fmt::format("{} on {}: {} tasks\n", to_text(plan.schedule.policy),
                                 to_text(plan.step.layout.degrees()), graph.tasks.size());
  text += fmt::format("{:<22}{} ({} .. {})\n", "step time", to_text(prediction.step_time),
                      to_text(prediction.step_time_low), to_text(prediction.step_time_high));
  for (const Resource resource : used_resources(graph)) {
    text += fmt::format("{:<22}{:.1f} %\n", fmt::format("busy {}", to_text(resource)),
                        100.0 * prediction.use->busy_fraction[static_cast<int>(resource)]);
  }
  text += fmt::format("{:<22}{}\n", "exposed communication", to_text(prediction.exposed_communication));
  return text;
}

int run_simulate(const SimulateArguments& arguments) {
  const PricedPlan priced = load_priced_plan(arguments.plan, arguments.cluster);
  for (const std::string& warning : priced.warnings) warn(warning);
  const TaskGraph graph = build_step_graph(priced.plan.step, priced.plan.schedule);
  const StepPrediction prediction = predict_step(priced.plan, priced.costs.get());
  if (arguments.trace) {
    const TraceProcess process{.name = "predicted", .timeline = &*prediction.timeline};
    write_file_atomically(*arguments.trace, chrome_trace(graph, priced.plan.step.element_bytes, {&process, 1}));
  }
  fmt::print(
      "{}", arguments.json ? result_json(priced.plan, graph, prediction) : result_text(priced.plan, graph, prediction));
  return 0;
}

}  // namespace

void add_simulate_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("simulate", "Predict the step of a plan on a cluster, task by task.");
  auto arguments = std::make_shared<SimulateArguments>();
  verb->add_option("--plan", arguments->plan, "Plan file, from sextant plan")->required()->type_name("FILE");
  verb->add_option("--cluster", arguments->cluster, "Cluster file that prices the tasks")
      ->required()
      ->type_name("FILE");
  verb->add_option("--trace", arguments->trace, "Write the predicted step as a Chrome trace")->type_name("FILE");
  verb->add_flag("--json", arguments->json, "Print one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_simulate(*arguments); }; });
}

}  // namespace sextant
