#include "tools/plan_account.h"

#include <algorithm>

#include <fmt/format.h>

#include "models/step_links.h"
#include "models/yaml_io.h"
#include "planner/step_prediction.h"
#include "planner/time_shares.h"
#include "tools/plan_inputs.h"
#include "tools/used_resources.h"

namespace sextant {
namespace {

using Decisions = std::vector<std::pair<std::string, std::string>>;

template <typename Value>
void add(Decisions& decisions, const char* name, const Value& value) {
  decisions.emplace_back(name, fmt::format("{}", value));
}

void add_layout(Decisions& decisions, const Topology& topology, const ParallelDegrees& d) {
  add(decisions, "nodes", topology.nodes);
  add(decisions, "devices_per_node", topology.devices_per_node);
  add(decisions, "pp", d.pp);
  add(decisions, "dp", d.dp);
  add(decisions, "cp", d.cp);
  add(decisions, "tp", d.tp);
  add(decisions, "edp", d.edp);
  add(decisions, "ep", d.ep);
  add(decisions, "esp", d.esp);
}

template <typename Shape>
void add_batch(Decisions& decisions, const Shape& shape) {
  add(decisions, "global_batch", shape.global_batch());
  add(decisions, "sequence", shape.sequence);
  add(decisions, "micro_batch", shape.micro_batch);
  add(decisions, "num_micro_batches", shape.num_micro_batches);
}

// One number, or those of all layers where they differ.
std::string degrees_by_layer(const Schedule& schedule, int LayerDegrees::*pass) {
  std::vector<int> degrees;
  for (const LayerDegrees& layer : schedule.degrees) degrees.push_back(layer.*pass);
  const bool uniform = std::ranges::adjacent_find(degrees, std::not_equal_to{}) == degrees.end();
  return uniform ? fmt::format("{}", degrees.front()) : fmt::format("{}", fmt::join(degrees, " "));
}

void add_schedule(Decisions& decisions, const Schedule& schedule) {
  add(decisions, "schedule", to_text(schedule.policy));
  add(decisions, "r_fwd", degrees_by_layer(schedule, &LayerDegrees::forward));
  add(decisions, "r_bwd", degrees_by_layer(schedule, &LayerDegrees::backward));
  add(decisions, "gradient_slices", schedule.gradients.size());
  add(decisions, "split_expert_backward", schedule.overlap.split_expert_backward);
  add(decisions, "micro_batches_in_flight", schedule.overlap.micro_batches_in_flight);
  add(decisions, "issue_order", schedule.order ? "searched" : "of the policy");
}

std::string links_text(const std::vector<Resource>& uses) {
  std::vector<std::string> names;
  for (const Resource resource : uses) names.emplace_back(to_text(resource));
  std::ranges::sort(names, std::greater<>());  // the order of the tiers: intra, inter
  return fmt::format("{}", fmt::join(names, "+"));
}

TimeTerm term_of(const TimeShare& share) {
  const bool computes = std::ranges::count(share.uses, Resource::kCompute) > 0;
  TimeTerm term{.group = to_text(computes ? TermClass::kCompute : TermClass::kCommunication),
                .name = to_text(share.kind),
                .links = computes ? "" : links_text(share.uses),
                .time = share.time};
  // Gradients are reduced over groups of several kinds, every other collective over one.
  if (share.kind == TaskKind::kGradientReduce && share.group) term.name += fmt::format(" {}", to_text(*share.group));
  return term;
}

std::vector<TimeTerm> times_of(const TaskGraph& graph, const Timeline& timeline) {
  std::vector<TimeTerm> terms;
  const TimeShares shares = time_shares(graph, timeline);
  for (const TimeShare& share : shares.shares) terms.push_back(term_of(share));
  std::ranges::stable_sort(terms, {}, &TimeTerm::group);
  terms.push_back({.group = "waiting", .name = "nothing runs", .links = "", .time = shares.waiting});
  return terms;
}

}  // namespace

PlanAccount account_of(const SetupPlan& plan) {
  const TrainingSetup& s = plan.found.setup;
  PlanAccount account;
  account.schema = kSetupSchema;
  account.network = plan.network.name;
  account.cluster = plan.cluster_name;
  account.network_hash = plan.network_hash;
  account.cluster_hash = plan.cluster_hash;
  add_layout(account.decisions, plan.topology, s.degrees);
  add_batch(account.decisions, s);
  add(account.decisions, "pipeline", to_text(s.pipeline));
  add(account.decisions, "virtual_stages", s.virtual_stages);
  add(account.decisions, "stage_layers",
      s.stage_layers.empty() ? std::string("even") : fmt::format("{}", fmt::join(s.stage_layers, " ")));
  add(account.decisions, "zero_stage", s.zero_stage);
  add(account.decisions, "recompute", recompute_text(s));
  add(account.decisions, "precision", to_text(s.precision));
  add(account.decisions, "dispatch", to_text(s.dispatch));
  add(account.decisions, "overlap", to_text(s.overlap));
  add(account.decisions, "r_fwd", s.forward_degree);
  add(account.decisions, "r_bwd", s.backward_degree);
  add(account.decisions, "expert_imbalance", fmt::format("{:.4g}", s.expert_imbalance));
  add(account.decisions, "sequence_parallel", s.sequence_parallel);
  add(account.decisions, "fused_attention", s.fused_attention);
  add(account.decisions, "overlaps_tensor_parallel", s.overlaps_tensor_parallel);
  add(account.decisions, "folded", s.folded);
  add(account.decisions, "keeps_gathered", s.keeps_gathered);
  account.prediction = plan.prediction;
  for (int t = 0; t < kNumStepTerms; ++t) {
    const StepTerm term = static_cast<StepTerm>(t);
    const std::optional<Resource> link = link_of(term, s, plan.topology);
    account.times.push_back({.group = to_text(class_of(term)),
                             .name = to_text(term),
                             .links = link ? to_text(*link) : "",
                             .time = plan.found.estimate[term]});
  }
  account.memory = plan.found.memory.terms;
  return account;
}

PlanAccount account_of(const Plan& plan, const CostModel* costs) {
  PlanAccount account;
  account.schema = "sextant/plan@1";
  account.network = plan.step.network.name;
  account.cluster = plan.cluster_name;
  account.network_hash = plan.network_hash;
  account.cluster_hash = plan.cluster_hash;
  add_layout(account.decisions, plan.step.layout.topology(), plan.step.layout.degrees());
  add_batch(account.decisions, plan.step);
  add_schedule(account.decisions, plan.schedule);
  account.memory = training_memory(plan.step, plan.schedule.overlap).terms;
  account.prediction = plan.prediction;
  if (costs == nullptr) return account;
  const StepPrediction predicted = predict_step(plan, costs);
  account.prediction.step_time = predicted.step_time;
  account.prediction.step_time_low = predicted.step_time_low;
  account.prediction.step_time_high = predicted.step_time_high;
  account.prediction.exposed_communication = predicted.exposed_communication;
  const TaskGraph graph = build_step_graph(plan.step, plan.schedule);
  account.times = times_of(graph, *predicted.timeline);
  for (const Resource resource : used_resources(graph)) {
    account.busy.push_back(
        {to_text(resource), predicted.use->busy_fraction[static_cast<std::size_t>(resource)] * predicted.step_time});
  }
  return account;
}

PlanAccount load_plan_account(const std::filesystem::path& path, const std::optional<std::filesystem::path>& cluster) {
  const ConfigNode root = ConfigNode::load_file(path);
  PlanAccount account;
  if (root.has("schema") && root["schema"].as_string() == kSetupSchema) {
    const SetupPlan setup = parse_setup_plan(root);
    account = account_of(setup);
    if (content_hash(network_to_yaml(setup.network)) != setup.network_hash) {
      account.warnings.push_back(fmt::format("the network in {} was changed after planning", path.string()));
    }
  } else {
    const PricedPlan priced = load_priced_plan(path, cluster);
    account = account_of(priced.plan, priced.costs.get());
    account.warnings = priced.warnings;
  }
  account.path = path.string();
  return account;
}

}  // namespace sextant
