#include "tools/setup_table.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "models/step_links.h"
#include "planner/setup_plan.h"

namespace sextant {
namespace {

using Json = nlohmann::ordered_json;

// What sets a setup apart from the fastest, and its memory: one line.
std::string explanation(const SetupRequest& request, const Cluster& cluster, const FoundSetup& found,
                        const FoundSetup& fastest) {
  const StepTerm overhead = found.estimate.largest_overhead();
  std::string text;
  if (&found == &fastest) {
    text = fmt::format("most overhead: {} {}", to_text(found.estimate[overhead]),
                       term_phrase(overhead, link_of(overhead, found.setup, request.topology)));
  } else if (const auto deciding = deciding_term(found, fastest)) {
    text = "slower than the first by " + to_text(*deciding, found.setup, request.topology);
  } else {
    text = "as fast as the first";
  }
  const std::string hidden = hidden_phrase(found);
  if (!hidden.empty()) text += "; " + hidden;
  return text + fmt::format("; memory {} of {}, most by {}", to_text(found.memory.total()),
                            to_text(cluster.device.memory), found.memory.largest().name);
}

Json stage_recomputes(const TrainingSetup& setup) {
  Json list = Json::array();
  for (int stage = 0; stage < setup.degrees.pp; ++stage) list.push_back(to_text(recompute_of(setup, stage)));
  return list;
}

Json setup_json(const SetupRequest& request, const Cluster& cluster, const FoundSetup& found) {
  const TrainingSetup& s = found.setup;
  const Prediction p = predict_setup(request, cluster, found, found.estimate.total());
  Json terms = Json::object(), memory = Json::object();
  for (int t = 0; t < kNumStepTerms; ++t) terms[to_text(StepTerm(t))] = found.estimate[StepTerm(t)].value();
  for (const MemoryTerm& term : found.memory.terms) memory[term.name] = term.bytes.value();
  return {{"layout",
           {{"pp", s.degrees.pp},
            {"dp", s.degrees.dp},
            {"cp", s.degrees.cp},
            {"tp", s.degrees.tp},
            {"edp", s.degrees.edp},
            {"ep", s.degrees.ep},
            {"esp", s.degrees.esp}}},
          {"micro_batch", s.micro_batch},
          {"num_micro_batches", s.num_micro_batches},
          {"schedule", s.degrees.pp == 1      ? "no_pipeline"
                       : s.virtual_stages > 1 ? "interleaved_1f1b"
                                              : to_text(s.pipeline)},
          {"virtual_stages", s.virtual_stages},
          {"stage_layers", stage_layers(request.network, s)},
          {"zero_stage", s.zero_stage},
          {"recompute", recompute_text(s)},
          {"stage_recompute", stage_recomputes(s)},
          {"dispatch", to_text(s.dispatch)},
          {"precision", to_text(s.precision)},
          {"overlap", to_text(s.overlap)},
          {"r_fwd", s.forward_degree},
          {"r_bwd", s.backward_degree},
          {"hidden_dispatch_s", found.estimate.hidden.value()},
          {"executable", false},
          {"executable_why", why_not_executable(s)},
          {"step_time_s", p.step_time.value()},
          {"step_time_interval_s", {p.step_time_low.value(), p.step_time_high.value()}},
          {"terms_s", std::move(terms)},
          {"peak_memory_bytes", found.memory.total().value()},
          {"memory_bytes", std::move(memory)},
          {"rank_grid", rank_grid(s, request.topology)},
          {"tokens_per_s_per_device", p.tokens_per_s_per_device},
          {"mfu", p.mfu}};
}

std::vector<InheritedDefault> all_inherited(const SetupRequest& request, std::vector<InheritedDefault> inherited) {
  for (InheritedDefault& one : inherited_defaults(request)) inherited.push_back(std::move(one));
  return inherited;
}

void add_assumptions(Json& json, const SetupRequest& request, const Cluster& cluster, const SetupResult& result,
                     const std::vector<InheritedDefault>& inherited) {
  const BindingConstraint binding = binding_constraint(request, cluster, result);
  json["binding_constraint"] = {{"constraint", to_text(binding.constraint)},
                                {"text", to_text(binding, cluster, result.setups.front())}};
  json["balance"] = request.balance;
  json["balance_assumed"] = balance_assumed(request);
  json["inherited"] = Json::array();
  for (const InheritedDefault& one : all_inherited(request, inherited)) {
    json["inherited"].push_back({{"name", one.name}, {"value", one.value}, {"from", one.from}});
  }
}

// Lines of at most this many characters, broken between entries.
std::string wrapped(const std::string& heading, const std::vector<std::string>& entries) {
  constexpr std::size_t kWidth = 118;
  std::string text, line = heading;
  for (std::size_t i = 0; i < entries.size(); ++i) {
    const std::string entry = entries[i] + (i + 1 < entries.size() ? "," : "");
    if (line.size() + 1 + entry.size() > kWidth) {
      text += line + "\n";
      line = "   ";
    }
    line += " " + entry;
  }
  return text + line + "\n";
}

}  // namespace

std::string setup_assumptions(const SetupRequest& request, const Cluster& cluster, const SetupResult& result,
                              const std::vector<InheritedDefault>& inherited) {
  const BindingConstraint binding = binding_constraint(request, cluster, result);
  std::string text = fmt::format("what binds: {}\nbalance assumed: {}\n",
                                 to_text(binding, cluster, result.setups.front()), balance_assumed(request));
  std::vector<std::string> origins;
  const std::vector<InheritedDefault> all = all_inherited(request, inherited);
  for (const InheritedDefault& one : all) {
    if (std::ranges::find(origins, one.from) == origins.end()) origins.push_back(one.from);
  }
  for (const std::string& origin : origins) {
    std::vector<std::string> entries;
    for (const InheritedDefault& one : all) {
      if (one.from == origin) entries.push_back(fmt::format("{} {}", one.name, one.value));
    }
    text += wrapped(fmt::format("inherited, {}:", origin), entries);
  }
  return text;
}

std::string setup_table(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  constexpr const char* kRow = "{:<70}{:>11}{:>24}{:>11}{:>14}{:>8}\n";
  std::string text = fmt::format(kRow, "setup", "step time", "interval", "memory", "tokens/s/dev", "MFU");
  for (const FoundSetup& found : result.setups) {
    const Prediction p = predict_setup(request, cluster, found, found.estimate.total());
    text += fmt::format(kRow, to_text(found.setup), to_text(p.step_time),
                        fmt::format("{} .. {}", to_text(p.step_time_low), to_text(p.step_time_high)),
                        to_text(found.memory.total()), fmt::format("{:.0f}", p.tokens_per_s_per_device),
                        fmt::format("{:.1f}%", 100.0 * p.mfu));
    text += fmt::format("    {}\n    rank grid: {}\n", explanation(request, cluster, found, result.setups.front()),
                        rank_grid(found.setup, request.topology));
  }
  return text;
}

std::string setup_summary(const SetupSearchSummary& summary) {
  const std::string bound = summary.pruned > 0 ? fmt::format(" (none below {})", to_text(summary.pruned_bound)) : "";
  return fmt::format("{} setups, {} priced, {} pruned{}, {} do not fit, {}\n", summary.setups, summary.evaluated,
                     summary.pruned, bound, summary.too_large, to_text(summary.search_time));
}

std::string setup_result_json(const SetupRequest& request, const Cluster& cluster, const SetupResult& result,
                              const std::vector<InheritedDefault>& inherited) {
  Json json{{"status", result.setups.empty() ? "infeasible" : "found"}};
  if (!result.setups.empty()) {
    json.update(setup_json(request, cluster, result.setups.front()));
    const Seconds bound = result.lower_bound();
    json["lower_bound_s"] = bound.value();
    json["optimality_gap"] = result.setups.front().estimate.total() / bound - 1.0;
    json["explanation"] = explanation(request, cluster, result.setups.front(), result.setups.front());
    add_assumptions(json, request, cluster, result, inherited);
    json["alternatives"] = Json::array();
    for (std::size_t i = 1; i < result.setups.size(); ++i) {
      Json next = setup_json(request, cluster, result.setups[i]);
      const auto deciding = deciding_term(result.setups[i], result.setups.front());
      next["why_slower"] = deciding ? Json(to_text(deciding->term)) : Json(nullptr);
      next["explanation"] = explanation(request, cluster, result.setups[i], result.setups.front());
      json["alternatives"].push_back(std::move(next));
    }
  }
  json["worst_source"] = to_text(CostSource::kDatasheet);
  json["search"] = {{"candidates", result.summary.setups},
                    {"simulated", result.summary.evaluated},
                    {"pruned", result.summary.pruned},
                    {"do_not_fit", result.summary.too_large},
                    {"seconds", result.summary.search_time.value()}};
  return json.dump() + "\n";
}

std::string infeasible_setups_text(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  const int devices = request.topology.num_ranks();
  if (!result.summary.nearest_miss) {
    return fmt::format("no feasible plan: no degrees divide {} devices, batch {} and sequence {} (and what is fixed)",
                       devices, request.global_batch, request.sequence);
  }
  const FoundSetup& miss = *result.summary.nearest_miss;
  return fmt::format(
      "no feasible plan: memory: of {} setups the smallest, {}, needs {} of {} on {} devices, most by {} "
      "({})",
      result.summary.setups, to_text(miss.setup), to_text(miss.memory.total()), to_text(cluster.device.memory), devices,
      miss.memory.largest().name, to_text(miss.memory.largest().bytes));
}

}  // namespace sextant
