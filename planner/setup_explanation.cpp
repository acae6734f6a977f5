#include "planner/setup_explanation.h"

#include <array>
#include <utility>

#include <fmt/format.h>

#include "models/step_links.h"

namespace sextant {
namespace {

// Memory that no setup fills.
constexpr Bytes kUnlimited{1e30};

bool fixes_something(const SetupRequest& r) {
  return r.pp || r.dp || r.cp || r.tp || r.edp || r.ep || r.esp || r.micro_batch || r.pipeline || r.recompute ||
         r.overlap || r.forward_degree || r.backward_degree;
}

SetupRequest freed(SetupRequest request) {
  request.pp = request.dp = request.cp = request.tp = request.edp = request.ep = request.esp = std::nullopt;
  request.micro_batch.reset();
  request.pipeline.reset();
  request.recompute.reset();
  request.overlap.reset();
  request.forward_degree.reset();
  request.backward_degree.reset();
  return request;
}

// What the searched setups have in common: the defaults of TrainingSetup.
void add_methods(std::vector<InheritedDefault>& list) {
  const TrainingSetup defaults;
  const auto add = [&](const char* name, std::string value) {
    list.push_back({name, std::move(value), "not searched"});
  };
  add("sequence parallelism", defaults.sequence_parallel ? "yes" : "no");
  add("fused attention", defaults.fused_attention ? "yes" : "no");
  add("tensor parallelism overlapped with products", defaults.overlaps_tensor_parallel ? "yes" : "no");
  add("expert grid folded over all ranks of a stage", defaults.folded ? "yes" : "no");
  add("gathered parameters kept between micro-batches", defaults.keeps_gathered ? "yes" : "no");
}

void add_framework(std::vector<InheritedDefault>& list, const FrameworkAssumptions& f) {
  const auto add = [&](const char* name, std::string value) {
    list.push_back({name, std::move(value), "framework assumption"});
  };
  const auto number = [](double value) { return fmt::format("{:.4g}", value); };
  add("residual passes", number(f.residual_passes));
  add("attention passes", number(f.attention_passes));
  add("feed-forward passes", number(f.feed_forward_passes));
  add("permute passes", number(f.permute_passes));
  add("probability passes", number(f.probability_passes));
  add("logit passes", number(f.logit_passes));
  add("unfused attention efficiency", number(f.unfused_efficiency));
  add("ring attention efficiency", number(f.ring_attention_efficiency));
  add("all-to-all efficiency intra", number(f.all_to_all_efficiency_intra));
  add("all-to-all efficiency inter", number(f.all_to_all_efficiency_inter));
  add("latency of a message between nodes", to_text(f.message_latency));
  add("messages at once", fmt::format("{}", f.messages_at_once));
  add("exposed de-duplicated dispatch", number(f.exposed_dispatch));
  add("multiprocessors of dispatch beside computation", number(f.dispatch_multiprocessors));
  add("gradient link efficiency", number(f.gradient_link_efficiency));
  add("exposed gradients", number(f.exposed_gradients));
  add("hidden by the step", number(f.hidden_by_step));
  add("update bytes a parameter", number(f.update_bytes));
  add("host time of a MoE layer", to_text(f.host_time_of_moe_layer));
  add("share of it of each further chunk", number(f.chunk_kernels));
  add("overhead of a step", to_text(f.step_overhead));
}

void add_memory(std::vector<InheritedDefault>& list, const MemoryAssumptions& m) {
  const auto add = [&](const char* name, std::string value) {
    list.push_back({name, std::move(value), "memory assumption"});
  };
  const auto number = [](double value) { return fmt::format("{:.4g}", value); };
  add("parameter bytes", number(m.parameter_bytes));
  add("gradient bytes", number(m.gradient_bytes));
  add("optimizer bytes", number(m.optimizer_bytes));
  add("logit bytes", number(m.logit_bytes));
  add("placeholder bytes", number(m.placeholder_bytes));
  add("parameters whole under ZeRO 3", number(m.whole_parameters));
  add("reserve", to_text(m.reserve));
  add("fragmentation", number(m.fragmentation));
}

}  // namespace

std::optional<DecidingTerm> deciding_term(const FoundSetup& found, const FoundSetup& fastest) {
  if (found.estimate.total() <= fastest.estimate.total()) return std::nullopt;
  DecidingTerm most;
  for (int t = 0; t < kNumStepTerms; ++t) {
    const auto term = static_cast<StepTerm>(t);
    const Seconds difference = found.estimate[term] - fastest.estimate[term];
    if (difference > most.difference) most = {term, difference};
  }
  return most;
}

std::string to_text(const DecidingTerm& deciding, const TrainingSetup& setup, const Topology& topology) {
  return fmt::format("+{} {}", to_text(deciding.difference),
                     term_phrase(deciding.term, link_of(deciding.term, setup, topology)));
}

std::string hidden_phrase(const FoundSetup& found) {
  const TrainingSetup& s = found.setup;
  const Seconds hidden = found.estimate.hidden;
  if (hidden <= Seconds(0.0)) return "";
  if (pairs_passes(s)) {
    return fmt::format("hides {} of dispatch behind the passes of another micro-batch", to_text(hidden));
  }
  const auto chunks = [](int count) { return fmt::format("{} chunk{}", count, count == 1 ? "" : "s"); };
  return fmt::format("hides {} of dispatch behind the experts, in {} forward and {} backward", to_text(hidden),
                     chunks(s.forward_degree), chunks(s.backward_degree));
}

std::string rank_grid(const TrainingSetup& setup, const Topology& topology) {
  const ParallelDegrees& d = setup.degrees;
  std::string text = fmt::format("{} stage{} x ({} dp x {} cp x {} tp | {} edp x {} ep x {} esp)", d.pp,
                                 d.pp == 1 ? "" : "s", d.dp, d.cp, d.tp, d.edp, d.ep, d.esp);
  constexpr std::array kGroups{
      std::pair{"tp", StepTerm::kTensorParallel},   std::pair{"cp", StepTerm::kContextParallel},
      std::pair{"ep", StepTerm::kDispatch},         std::pair{"esp", StepTerm::kExpertShard},
      std::pair{"pp", StepTerm::kPipelineTransfer}, std::pair{"gradients", StepTerm::kGradients}};
  std::vector<std::string> links;
  for (const auto& [name, term] : kGroups) {
    if (const auto link = link_of(term, setup, topology)) links.push_back(fmt::format("{} {}", name, to_text(*link)));
  }
  if (!links.empty()) text += fmt::format("; {}", fmt::join(links, ", "));
  return text;
}

const char* to_text(Constraint constraint) {
  constexpr std::array kNames{"none", "memory", "fixed"};
  return kNames[static_cast<std::size_t>(constraint)];
}

BindingConstraint binding_constraint(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  const Seconds fastest = result.setups.at(0).estimate.total();
  if (result.summary.too_large > 0) {
    Cluster unlimited = cluster;
    unlimited.device.memory = kUnlimited;
    if (auto without = search_faster_setup(request, unlimited, fastest))
      return {Constraint::kMemory, std::move(without)};
  }
  if (fixes_something(request)) {
    if (auto without = search_faster_setup(freed(request), cluster, fastest))
      return {Constraint::kFixed, std::move(without)};
  }
  return {};
}

std::string to_text(const BindingConstraint& binding, const Cluster& cluster, const FoundSetup& fastest) {
  if (!binding.without) return "nothing: no setup of the space is faster, whatever memory it needs";
  const FoundSetup& without = *binding.without;
  const std::string gain =
      fmt::format("{} would take {}, {} less", to_text(without.setup), to_text(without.estimate.total()),
                  to_text(fastest.estimate.total() - without.estimate.total()));
  if (binding.constraint == Constraint::kFixed) return fmt::format("what was fixed: free of it {}", gain);
  return fmt::format("memory of {}: without its limit {}; it needs {}, most by {}", to_text(cluster.device.memory),
                     gain, to_text(without.memory.total()), without.memory.largest().name);
}

std::vector<InheritedDefault> inherited_defaults(const SetupRequest& request, const FrameworkAssumptions& framework,
                                                 const MemoryAssumptions& memory) {
  std::vector<InheritedDefault> list;
  add_methods(list);
  if (request.network.num_experts > 0) {
    list.push_back({"capacity factor", fmt::format("{}", request.network.capacity_factor), "network file"});
  }
  add_framework(list, framework);
  add_memory(list, memory);
  return list;
}

std::string balance_assumed(const SetupRequest& request) {
  const Network& network = request.network;
  if (network.num_experts == 0) return "no experts to balance";
  std::string text = fmt::format("every expert gets the same rows, {} a token times capacity factor {}", network.top_k,
                                 network.capacity_factor);
  if (request.balance > 1.0) {
    text = fmt::format(
        "where experts are spread over ranks, the busiest rank gets {:.4g} times the mean rows, which are {} a token "
        "times capacity factor {}",
        request.balance, network.top_k, network.capacity_factor);
  }
  if (network.expert_groups) {
    text += fmt::format("; a token's experts lie in {} of {} groups", network.expert_groups->chosen,
                        network.expert_groups->count);
  }
  return text;
}

}  // namespace sextant
