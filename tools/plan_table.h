// Plans as a table for people and as JSON for programs.
#pragma once

#include <span>
#include <string>

#include <nlohmann/json_fwd.hpp>

#include "planner/layout_search.h"
#include "planner/plan.h"

namespace sextant {

// A heading and a line a plan: layout, micro-batch, schedule, degrees, predicted time, memory, rates.
[[nodiscard]] std::string plan_table(std::span<const Plan> plans);
// "2", or "1..4" where the layers differ.
[[nodiscard]] std::string degrees_text(const Schedule& schedule, Pass pass);

// What a plan decides and predicts; times in seconds, degrees a number or a list by layer.
[[nodiscard]] nlohmann::ordered_json plan_json(const Plan& plan);
// Lines on how the schedule was chosen: SLSQP beside the exact degrees, the gradient partition with its bound, what
// every extension of the issue order gains. Empty where nothing was compared.
[[nodiscard]] std::string notes_text(const PlanNotes& notes);
// One JSON object: the best plan, how the search went, and the next plans as `alternatives`;
// status "infeasible" with the reasons when there is none.
[[nodiscard]] std::string plan_result_json(const PlanResult& result);
// "no feasible plan for 4 ranks: ..." with the reasons, one line.
[[nodiscard]] std::string infeasible_text(const PlanResult& result);

}  // namespace sextant
