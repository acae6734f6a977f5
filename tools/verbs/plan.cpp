// sextant plan: the fastest way to train a network on a cluster.
#include <algorithm>
#include <charconv>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "models/cluster.h"
#include "models/error.h"
#include "models/step_support.h"
#include "models/yaml_io.h"
#include "planner/layout_search.h"
#include "planner/setup_plan.h"
#include "planner/setup_search.h"
#include "tools/console.h"
#include "tools/plan_comparison.h"
#include "tools/plan_table.h"
#include "tools/setup_table.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

constexpr int kNoFeasiblePlan = 3;

struct PlanArguments {
  std::string network;
  std::string cluster;
  std::int64_t global_batch = 0;
  std::int64_t sequence = 0;
  std::optional<int> nodes;
  std::optional<int> devices_per_node;
  std::string schedule = "auto";
  std::vector<std::string> fixed;
  std::optional<std::string> precision;
  std::string pipeline = "auto";
  std::string recompute = "auto";
  std::string overlap = "auto";
  std::optional<double> balance;
  std::optional<std::int64_t> micro_batch;
  std::optional<int> forward_degree;
  std::optional<int> backward_degree;
  int top = 1;
  std::optional<std::string> out;
  std::vector<std::string> compared;  // two plan files
  bool json = false;
};

// "ep=4" sets request.ep.
void fix_degree(SearchRequest& request, const std::string& text) {
  struct Degree {
    std::string_view name;
    std::optional<int> SearchRequest::*member;
  };
  constexpr Degree kDegrees[] = {{"pp", &SearchRequest::pp},
                                 {"dp", &SearchRequest::dp},
                                 {"cp", &SearchRequest::cp},
                                 {"tp", &SearchRequest::tp},
                                 {"edp", &SearchRequest::edp},
                                 {"ep", &SearchRequest::ep},
                                 {"esp", &SearchRequest::esp},
                                 {"r_fwd", &SearchRequest::forward_degree},
                                 {"r_bwd", &SearchRequest::backward_degree}};
  const std::size_t equals = text.find('=');
  for (const Degree& degree : kDegrees) {
    if (equals == std::string::npos || text.substr(0, equals) != degree.name) continue;
    int value = 0;
    const char* end = text.data() + text.size();
    const auto [stop, error] = std::from_chars(text.data() + equals + 1, end, value);
    if (error == std::errc() && stop == end && value >= 1) {
      request.*degree.member = value;
      return;
    }
  }
  throw ConfigError(fmt::format(
      "--fix: '{}' is not DEGREE=NUMBER with a degree of pp, dp, cp, tp, edp, ep, esp, r_fwd, r_bwd and a number of 1 "
      "or more, or overlap=OVERLAP",
      text));
}

// --fix overlap=chunks is --overlap chunks.
std::optional<std::string> overlap_of(const std::string& fixed) {
  constexpr std::string_view kName = "overlap=";
  if (!fixed.starts_with(kName)) return std::nullopt;
  return fixed.substr(kName.size());
}

std::optional<Policy> policy_of(const std::string& text) {
  if (text == "auto") return std::nullopt;
  if (const std::optional<Policy> policy = policy_from_text(text)) return policy;
  std::string allowed = "auto";
  for (const Policy policy : all_policies()) allowed += fmt::format(", {}", to_text(policy));
  throw ConfigError(fmt::format("--schedule: '{}' is none of {}", text, allowed));
}

SearchRequest search_request(const PlanArguments& arguments, const Cluster& cluster) {
  SearchRequest request;
  request.network = load_supported_network(arguments.network);
  request.global_batch = arguments.global_batch;
  request.sequence = arguments.sequence;
  request.policy = policy_of(arguments.schedule);
  for (const std::string& text : arguments.fixed) fix_degree(request, text);
  request.micro_batch = arguments.micro_batch;
  if (arguments.forward_degree) request.forward_degree = arguments.forward_degree;
  if (arguments.backward_degree) request.backward_degree = arguments.backward_degree;
  request.topology =
      Topology{.nodes = arguments.nodes.value_or(cluster.topology.nodes),
               .devices_per_node = arguments.devices_per_node.value_or(cluster.topology.devices_per_node)};
  request.top = arguments.top;
  return request;
}

// plan.yaml, plan-2.yaml, plan-3.yaml, ...
template <typename AnyPlan>
void write_plans(const std::filesystem::path& path, const std::vector<AnyPlan>& plans,
                 std::string (*to_yaml)(const AnyPlan&)) {
  for (std::size_t i = 0; i < plans.size(); ++i) {
    std::filesystem::path file = path;
    if (i > 0) file.replace_filename(fmt::format("{}-{}{}", path.stem().string(), i + 1, path.extension().string()));
    write_file_atomically(file, to_yaml(plans[i]));
  }
}

// `costs`: where the cluster's numbers come from, a run that refitted them included.
std::string result_text(const PlanResult& result, const std::string& costs) {
  const std::string notes = notes_text(result.plans.front().notes);
  return fmt::format(
      "{}{}{} candidates, {} simulated, {} rejected, {}\ncosts: {}\n", plan_table(result.plans),
      notes.empty() ? "" : "\nhow the first was chosen, block and backward alone, then the step\n" + notes + "\n",
      result.summary.candidates, result.summary.simulated, result.summary.rejected.size(),
      to_text(result.summary.search_time), costs);
}

// ---- clusters known by reference: setups for any number of devices ----

constexpr Precision kDefaultPrecision = Precision::kBf16;

Precision precision_of(const std::string& text) {
  for (const Precision precision : {Precision::kBf16, Precision::kFp8}) {
    if (text == to_text(precision)) return precision;
  }
  throw ConfigError(fmt::format("--precision: '{}' is none of bf16, fp8", text));
}

// Nothing for "auto". The values of Enum are 0 to `count` - 1.
template <typename Enum>
std::optional<Enum> choice_of(const char* option, const std::string& text, int count) {
  if (text == "auto") return std::nullopt;
  std::string allowed = "auto";
  for (int i = 0; i < count; ++i) {
    const auto value = static_cast<Enum>(i);
    if (text == to_text(value)) return value;
    allowed += fmt::format(", {}", to_text(value));
  }
  throw ConfigError(fmt::format("{}: '{}' is none of {}", option, text, allowed));
}

SetupRequest setup_request(const PlanArguments& arguments, const Cluster& cluster) {
  if (arguments.schedule != "auto") {
    throw ConfigError(fmt::format(
        "--schedule: {} is known by reference only: its plans are setups at scale, which the bundled executor does not "
        "train; allowed: --json, --fix, --micro-batch, --precision, --pipeline, --recompute, --overlap, --r-fwd, "
        "--r-bwd, --balance, --nodes, --devices-per-node, --top, --out",
        cluster.name));
  }
  SearchRequest fixed;
  fixed.forward_degree = arguments.forward_degree;
  fixed.backward_degree = arguments.backward_degree;
  std::string overlap = arguments.overlap;
  for (const std::string& text : arguments.fixed) {
    if (const auto named = overlap_of(text)) {
      overlap = *named;
    } else {
      fix_degree(fixed, text);
    }
  }
  return {.network = load_network(arguments.network),
          .global_batch = arguments.global_batch,
          .sequence = arguments.sequence,
          .topology = {.nodes = arguments.nodes.value_or(cluster.topology.nodes),
                       .devices_per_node = arguments.devices_per_node.value_or(cluster.topology.devices_per_node)},
          .precision = arguments.precision ? precision_of(*arguments.precision) : kDefaultPrecision,
          .balance = arguments.balance.value_or(1.0),
          .pp = fixed.pp,
          .dp = fixed.dp,
          .cp = fixed.cp,
          .tp = fixed.tp,
          .edp = fixed.edp,
          .ep = fixed.ep,
          .esp = fixed.esp,
          .micro_batch = arguments.micro_batch,
          .pipeline = choice_of<PipelineSchedule>("--pipeline", arguments.pipeline, kNumPipelineSchedules),
          .recompute = choice_of<Recompute>("--recompute", arguments.recompute, kNumRecomputes),
          .overlap = choice_of<Overlap>("--overlap", overlap, kNumOverlaps),
          .forward_degree = fixed.forward_degree,
          .backward_degree = fixed.backward_degree,
          .top = arguments.top};
}

// What the command line left to files and defaults.
std::vector<InheritedDefault> inherited_by(const PlanArguments& arguments, const SetupRequest& request) {
  std::vector<InheritedDefault> list;
  if (!arguments.nodes) list.push_back({"nodes", fmt::format("{}", request.topology.nodes), "cluster file"});
  if (!arguments.devices_per_node) {
    list.push_back({"devices a node", fmt::format("{}", request.topology.devices_per_node), "cluster file"});
  }
  if (!arguments.precision) {
    list.push_back({"precision of products", to_text(request.precision), "command line's default"});
  }
  if (!arguments.balance && request.network.num_experts > 0) {
    list.push_back({"balance", "1", "command line's default"});
  }
  return list;
}

int run_setup_plan(const PlanArguments& arguments, const Cluster& cluster) {
  const SetupRequest request = setup_request(arguments, cluster);
  if (arguments.out) require_writable(*arguments.out);
  const SetupResult result = search_setups(request, cluster);
  const bool found = !result.setups.empty();
  if (found && arguments.out) write_plans(*arguments.out, setup_plans(request, cluster, result), setup_plan_to_yaml);
  if (arguments.json) {
    fmt::print("{}", setup_result_json(request, cluster, result, inherited_by(arguments, request)));
  } else if (found) {
    fmt::print("{}\n{}\n{}", setup_table(request, cluster, result),
               setup_assumptions(request, cluster, result, inherited_by(arguments, request)),
               setup_summary(result.summary));
  }
  if (found) return 0;
  tell_error(infeasible_setups_text(request, cluster, result));
  return kNoFeasiblePlan;
}

// ---- two plans compared ----

int run_compare(const PlanArguments& arguments) {
  std::optional<std::filesystem::path> cluster;
  if (!arguments.cluster.empty()) cluster = arguments.cluster;
  PlanAccount a = load_plan_account(arguments.compared.at(0), cluster);
  PlanAccount b = load_plan_account(arguments.compared.at(1), cluster);
  const PlanComparison comparison = compare_plans(std::move(a), std::move(b));
  for (const PlanAccount* plan : {&comparison.a, &comparison.b}) {
    for (const std::string& warning : plan->warnings) warn(warning);
  }
  fmt::print("{}", arguments.json ? comparison_json(comparison) : comparison_text(comparison));
  return 0;
}

// ---- measured clusters ----

int run_plan(const PlanArguments& arguments) {
  const Cluster cluster = load_cluster(arguments.cluster);
  if (cluster.reference) return run_setup_plan(arguments, cluster);
  if (arguments.overlap != "auto") {
    throw ConfigError(fmt::format(
        "--overlap: {} is a measured cluster, whose plans overlap by --schedule; allowed on reference clusters",
        cluster.name));
  }
  if (arguments.balance) {
    throw ConfigError(
        fmt::format("--balance: {} is a measured cluster, whose plans are priced at the capacity of every "
                    "expert; allowed on reference clusters",
                    cluster.name));
  }
  if (arguments.out) require_writable(*arguments.out);
  const PlanResult result = search_plans(search_request(arguments, cluster), cluster);
  const bool found = result.status == PlanStatus::kFound;
  if (found && arguments.out) write_plans(*arguments.out, result.plans, plan_to_yaml);
  if (arguments.json) {
    fmt::print("{}", plan_result_json(result));
  } else if (found) {
    fmt::print("{}", result_text(result, cluster.source));
  }
  if (found) return 0;
  tell_error(infeasible_text(result));
  return kNoFeasiblePlan;
}

void add_workload_options(CLI::App& verb, PlanArguments& arguments) {
  verb.add_option("--network", arguments.network, "Network file; required")->type_name("FILE");
  verb.add_option("--cluster", arguments.cluster, "Cluster file, from sextant profile or from datasheets; required")
      ->type_name("FILE");
  verb.add_option("--global-batch", arguments.global_batch, "Samples a step; required")->check(CLI::Range(1, 1 << 30));
  verb.add_option("--sequence", arguments.sequence, "Tokens of a sample; required")->check(CLI::Range(1, 1 << 30));
}

// What a search needs, or what a comparison has no use for.
void require_options(const CLI::App& verb, bool compares) {
  for (const CLI::Option* option : verb.get_options()) {
    const std::string name = option->get_name();
    const auto is_one_of = [&name](std::initializer_list<std::string_view> names) {
      return std::ranges::find(names, name) != names.end();
    };
    if (!compares && option->count() == 0 && is_one_of({"--network", "--cluster", "--global-batch", "--sequence"})) {
      throw CLI::RequiredError(name);
    }
    if (compares && option->count() > 0 && !is_one_of({"--compare", "--cluster", "--json"})) {
      throw CLI::ExcludesError("--compare", name);
    }
  }
}

void add_search_options(CLI::App& verb, PlanArguments& arguments) {
  verb.add_option("--nodes", arguments.nodes, "Nodes to plan for; default: as the cluster file")
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--devices-per-node", arguments.devices_per_node,
                  "Devices of a node to plan for; default: as the cluster file")
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--schedule", arguments.schedule,
                  "auto, sequential, tutel, tutel_improved, lina, fsmoe_no_iio, fsmoe or searched")
      ->capture_default_str();
  verb.add_option("--fix", arguments.fixed, "Only plans with these degrees, e.g. ep=4,esp=2,r_fwd=2; overlap=chunks")
      ->delimiter(',')
      ->type_name("DEGREE=NUMBER,...");
  verb.add_option("--micro-batch", arguments.micro_batch, "Samples per replica and micro-batch; default: searched")
      ->check(CLI::Range(1, 1 << 30));
  verb.add_option("--precision", arguments.precision, "Of products, on reference clusters: bf16 (default) or fp8");
  verb.add_option("--pipeline", arguments.pipeline,
                  "Of setups, on reference clusters: auto, 1f1b, zero_bubble_h1 or dualpipe")
      ->capture_default_str();
  verb.add_option("--recompute", arguments.recompute,
                  "Of setups, on reference clusters, on every stage: none, selective or full; auto: each stage its own")
      ->capture_default_str();
  verb.add_option("--overlap", arguments.overlap,
                  "Of setups, on reference clusters, what the experts' collectives run beside: auto, none, chunks or "
                  "two_micro_batches")
      ->capture_default_str();
  verb.add_option("--balance", arguments.balance,
                  "Of setups, on reference clusters: rows of the rank with the busiest experts / mean; default: 1")
      ->check(CLI::Range(1.0, 1e6));
  verb.add_option("--r-fwd", arguments.forward_degree, "Pipeline degree of the forward; default: searched")
      ->check(CLI::Range(1, 1 << 20));
  verb.add_option("--r-bwd", arguments.backward_degree, "Pipeline degree of the backward; default: searched")
      ->check(CLI::Range(1, 1 << 20));
}

}  // namespace

void add_plan_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("plan", "Choose layout, schedule and pipeline degrees for a network on a cluster.");
  verb->footer("Exit code 3 when no plan is feasible; the reason stands on stderr.");
  auto arguments = std::make_shared<PlanArguments>();
  add_workload_options(*verb, *arguments);
  add_search_options(*verb, *arguments);
  verb->add_option("--top", arguments->top, "Number of plans to return, best first")
      ->check(CLI::Range(1, 1 << 20))
      ->capture_default_str();
  verb->add_option("--out", arguments->out, "Write the best plan here, the next ones beside it as NAME-2.yaml ...")
      ->type_name("FILE");
  verb->add_flag("--json", arguments->json, "Print one JSON object on stdout");
  verb->add_option("--compare", arguments->compared,
                   "Instead of planning, the difference of two plan files term by term; --cluster prices the tasks of "
                   "plans for measured clusters")
      ->expected(2)
      ->type_name("FILE");
  verb->callback([verb, arguments, &run] {
    require_options(*verb, !arguments->compared.empty());
    run = [arguments] { return arguments->compared.empty() ? run_plan(*arguments) : run_compare(*arguments); };
  });
}

}  // namespace sextant
