#include "tools/plan_table.h"

#include <algorithm>
#include <map>
#include <vector>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/layout.h"
#include "models/units.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

int degree(const LayerDegrees& degrees, Pass pass) {
  return pass == Pass::kForward ? degrees.forward : degrees.backward;
}

double optimality_gap(const Prediction& prediction) {
  return prediction.step_time / prediction.lower_bound - 1.0;
}

// A number, or a list by layer where the layers differ.
Json degrees_json(const Schedule& schedule, Pass pass) {
  std::vector<int> by_layer;
  for (const LayerDegrees& degrees : schedule.degrees) by_layer.push_back(degree(degrees, pass));
  const bool uniform = std::ranges::adjacent_find(by_layer, std::not_equal_to{}) == by_layer.end();
  return uniform ? Json(by_layer.front()) : Json(by_layer);
}

Json layout_json(const ParallelDegrees& degrees) {
  return {{"pp", degrees.pp},   {"dp", degrees.dp}, {"cp", degrees.cp},  {"tp", degrees.tp},
          {"edp", degrees.edp}, {"ep", degrees.ep}, {"esp", degrees.esp}};
}

// How the schedule was chosen; entries that do not apply are left out.
Json notes_json(const PlanNotes& notes) {
  Json json = Json::object();
  const auto add_degrees = [&](const char* key, const std::optional<DegreeComparison>& degrees) {
    if (!degrees) return;
    json[key] = {{"slsqp_degree", degrees->slsqp_degree},       {"slsqp_rounded", degrees->slsqp_rounded},
                 {"slsqp_time_s", degrees->slsqp_time.value()}, {"exact_degree", degrees->exact_degree},
                 {"exact_time_s", degrees->exact_time.value()}, {"gap", degrees->gap}};
  };
  add_degrees("forward_degree", notes.forward);
  add_degrees("backward_degree", notes.backward);
  if (const std::optional<ScheduleReport>& partition = notes.partition) {
    json["gradient_partition"] = {{"method", to_text(partition->chosen)},
                                  {"backward_exact_s", partition->exact_time.value()},
                                  {"backward_step1_s", partition->step1_time.value()},
                                  {"backward_bound_s", partition->bound.value()},
                                  {"gap", partition->gap}};
  }
  if (const std::optional<OrderReport>& order = notes.order) {
    Json alone = Json::object();
    for (int e = 0; e < kNumOrderExtensions; ++e) {
      const auto& time = order->alone[static_cast<std::size_t>(e)];
      alone[to_text(OrderExtension(e))] = time ? Json(*time / order->fsmoe_time - 1.0) : Json(nullptr);
    }
    json["order_search"] = {{"fsmoe_time_s", order->fsmoe_time.value()},
                            {"best_time_s", order->best_time.value()},
                            {"lower_bound_s", order->lower_bound.value()},
                            {"evaluated", order->evaluated},
                            {"alone", std::move(alone)}};
  }
  return json;
}

Json rejections_json(const std::vector<Rejection>& rejections) {
  Json list = Json::array();
  for (const Rejection& rejection : rejections) {
    list.push_back({{"layout", layout_json(rejection.degrees)}, {"reason", rejection.reason}});
  }
  return list;
}

}  // namespace

Json plan_json(const Plan& plan) {
  const Prediction& prediction = plan.prediction;
  return {{"layout", layout_json(plan.step.layout.degrees())},
          {"micro_batch", plan.step.micro_batch},
          {"num_micro_batches", plan.step.num_micro_batches},
          {"schedule", to_text(plan.schedule.policy)},
          {"r_fwd", degrees_json(plan.schedule, Pass::kForward)},
          {"r_bwd", degrees_json(plan.schedule, Pass::kBackward)},
          {"step_time_s", prediction.step_time.value()},
          {"step_time_interval_s", {prediction.step_time_low.value(), prediction.step_time_high.value()}},
          {"lower_bound_s", prediction.lower_bound.value()},
          {"optimality_gap", optimality_gap(prediction)},
          {"exposed_communication_s", prediction.exposed_communication.value()},
          {"peak_memory_bytes", prediction.peak_memory.value()},
          {"tokens_per_s_per_device", prediction.tokens_per_s_per_device},
          {"mfu", prediction.mfu},
          {"worst_source", to_text(prediction.worst_source)},
          {"notes", notes_json(plan.notes)}};
}

std::string notes_text(const PlanNotes& notes) {
  std::string text;
  const auto add = [&](const char* label, const auto& note) {
    if (note) text += fmt::format("  {:<16}{}\n", label, to_text(*note));
  };
  add("forward r", notes.forward);
  add("backward r", notes.backward);
  add("gradients", notes.partition);
  add("issue order", notes.order);
  return text;
}

std::string degrees_text(const Schedule& schedule, Pass pass) {
  const auto [least, most] =
      std::ranges::minmax(schedule.degrees, {}, [pass](const LayerDegrees& degrees) { return degree(degrees, pass); });
  const int low = degree(least, pass);
  const int high = degree(most, pass);
  return low == high ? std::to_string(low) : fmt::format("{}..{}", low, high);
}

std::string plan_table(std::span<const Plan> plans) {
  constexpr const char* kRow = "{:<26}{:>12}  {:<16}{:>6}{:>6}{:>12}{:>24}{:>8}{:>12}{:>14}{:>8}\n";
  std::string text = fmt::format(kRow, "layout", "micro-batch", "schedule", "r_fwd", "r_bwd", "step time", "interval",
                                 "gap", "memory", "tokens/s/dev", "MFU");
  for (const Plan& plan : plans) {
    const Prediction& p = plan.prediction;
    text += fmt::format(kRow, to_text(plan.step.layout.degrees()),
                        fmt::format("{} x {}", plan.step.micro_batch, plan.step.num_micro_batches),
                        to_text(plan.schedule.policy), degrees_text(plan.schedule, Pass::kForward),
                        degrees_text(plan.schedule, Pass::kBackward), to_text(p.step_time),
                        fmt::format("{} .. {}", to_text(p.step_time_low), to_text(p.step_time_high)),
                        fmt::format("{:.1f}%", 100.0 * optimality_gap(p)), to_text(p.peak_memory),
                        fmt::format("{:.0f}", p.tokens_per_s_per_device), fmt::format("{:.1f}%", 100.0 * p.mfu));
  }
  return text;
}

std::string plan_result_json(const PlanResult& result) {
  Json json{{"status", result.status == PlanStatus::kFound ? "found" : "infeasible"}};
  if (result.status == PlanStatus::kFound) {
    json.update(plan_json(result.plans.front()));
    json["alternatives"] = Json::array();
    for (std::size_t i = 1; i < result.plans.size(); ++i) json["alternatives"].push_back(plan_json(result.plans[i]));
  }
  json["search"] = {{"candidates", result.summary.candidates},
                    {"simulated", result.summary.simulated},
                    {"seconds", result.summary.search_time.value()}};
  json["rejected"] = rejections_json(result.summary.rejected);
  return json.dump() + "\n";
}

std::string infeasible_text(const PlanResult& result) {
  const std::vector<Rejection>& rejected = result.summary.rejected;
  if (rejected.empty()) return "no feasible plan: no layout has the fixed degrees on this number of ranks";
  const Rejection& last = rejected.back();
  return fmt::format("no feasible plan: {} layouts and micro-batches rejected, e.g. {}: {} (--json lists all)",
                     rejected.size(), to_text(last.degrees), last.reason);
}

}  // namespace sextant
