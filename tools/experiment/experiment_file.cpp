#include "tools/experiment/experiment_file.h"

#include <algorithm>
#include <limits>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include "models/error.h"
#include "models/step_support.h"
#include "models/yaml_io.h"

namespace sextant {
namespace {

namespace fs = std::filesystem;

constexpr const char* kSchema = "sextant/experiment@1";
constexpr std::int64_t kMaxCount = std::numeric_limits<std::int32_t>::max();
constexpr int kMaxDegree = 1 << 20;
constexpr int kMaxSteps = 1 << 20;
constexpr const char* kChosen = "chosen";  // by the planner

// The items of a list; of anything else, itself alone.
std::vector<ConfigNode> one_or_more(const ConfigNode& node) {
  if (!node.is_list()) return {node};
  std::vector<ConfigNode> items = node.items();
  if (items.empty()) node.fail("found an empty list, expected at least one item");
  return items;
}

template <typename Value, typename Read>
std::vector<Value> read_list(const ConfigNode& node, const Read& read) {
  std::vector<Value> values;
  for (const ConfigNode& item : one_or_more(node)) values.push_back(read(item));
  return values;
}

bool is_text(const ConfigNode& node, std::string_view text) {
  return node.is_scalar() && node.as_string() == text;
}

// ---- networks ----

struct Variant {
  ConfigNode map;
  std::string suffix;  // what is varied: " top_k=2"
};

// Every variant under each value of one more key, which is `shown` in the suffix.
std::vector<Variant> vary(const std::vector<Variant>& variants, const std::string& key,
                          const std::vector<ConfigNode>& values, bool shown) {
  std::vector<Variant> result;
  for (const Variant& variant : variants) {
    for (const ConfigNode& value : values) {
      const std::string text = shown ? fmt::format(" {}={}", key, value.as_string()) : "";
      result.push_back({variant.map.with(key, value), variant.suffix + text});
    }
  }
  return result;
}

// The product of the lists of `map`. A network that `map` gives a name of its own is told apart only by
// the keys of more than one value.
std::vector<Variant> vary_all(const ConfigNode& base, const ConfigNode& map) {
  std::vector<Variant> variants{{base, ""}};
  for (const auto& [key, node] : map.entries()) {
    const std::vector<ConfigNode> values = one_or_more(node);
    variants = vary(variants, key, values, key != "name" && (values.size() > 1 || !map.has("name")));
  }
  return variants;
}

// A path; {file: PATH, vary: {...}}; or the keys of a network and, where wanted, vary.
std::vector<Network> read_network(const ConfigNode& node, const fs::path& folder) {
  if (node.is_scalar()) return {load_supported_network(folder / node.as_string())};
  ConfigNode base = node.has("vary") ? node.without("vary") : node;
  if (base.has("file")) {
    node.expect_keys({"file"}, {"vary"});
    base = ConfigNode::load_file(folder / node["file"].as_string());
  }
  const std::vector<Variant> variants =
      node.has("vary") ? vary_all(base, node["vary"]) : std::vector<Variant>{{base, ""}};
  std::vector<Network> networks;
  for (const Variant& variant : variants) {
    networks.push_back(parse_network(variant.map));
    if (const auto reason = unsupported_by_step_model(networks.back())) node.fail(*reason);
    networks.back().name += variant.suffix;
  }
  return networks;
}

std::vector<Network> read_networks(const ConfigNode& node, const fs::path& folder) {
  std::vector<Network> networks;
  for (const ConfigNode& item : one_or_more(node)) {
    for (Network& network : read_network(item, folder)) {
      const bool is_taken = std::ranges::count(networks, network.name, &Network::name) > 0;
      if (is_taken) item.fail(fmt::format("a second network is called \"{}\"", network.name));
      networks.push_back(std::move(network));
    }
  }
  return networks;
}

// ---- layouts, schedules, degrees ----

LayoutChoice read_layout(const ConfigNode& node) {
  if (is_text(node, "all")) return {.kind = LayoutChoice::Kind::kAll};
  if (is_text(node, "best")) return {.kind = LayoutChoice::Kind::kBest};
  if (!node.is_map()) node.fail("expected all, best, or a map of degrees such as {dp: 4, ep: 4}");
  node.expect_keys({}, {"dp", "tp", "edp", "ep", "esp"});
  LayoutChoice choice{.kind = LayoutChoice::Kind::kFixed};
  const auto fix = [&](std::string_view key, std::optional<int>& degree) {
    if (node.has(key)) degree = static_cast<int>(node[key].as_int(1, kMaxDegree));
  };
  fix("dp", choice.fixed.dp);
  fix("tp", choice.fixed.tp);
  fix("edp", choice.fixed.edp);
  fix("ep", choice.fixed.ep);
  fix("esp", choice.fixed.esp);
  return choice;
}

Policy read_policy(const ConfigNode& node) {
  if (const std::optional<Policy> policy = policy_from_text(node.as_string())) return *policy;
  std::string allowed;
  for (const Policy policy : all_policies())
    allowed += fmt::format("{}{}", allowed.empty() ? "" : ", ", to_text(policy));
  node.fail(fmt::format("\"{}\" is none of: {}", node.as_string(), allowed));
}

std::vector<Policy> read_policies(const ConfigNode& node) {
  if (is_text(node, "all")) return all_policies();
  std::vector<Policy> policies;
  for (const ConfigNode& item : one_or_more(node)) {
    policies.push_back(read_policy(item));
    if (std::ranges::count(policies, policies.back()) > 1)
      item.fail(fmt::format("{} is listed twice", item.as_string()));
  }
  return policies;
}

std::optional<int> read_degree(const ConfigNode& node) {
  if (is_text(node, kChosen)) return std::nullopt;
  return static_cast<int>(node.as_int(1, kMaxDegree));
}

// 2, chosen, or {forward: 2, backward: chosen}.
DegreeChoice read_degrees(const ConfigNode& node) {
  if (!node.is_map()) return {read_degree(node), read_degree(node)};
  node.expect_keys({"forward", "backward"});
  return {read_degree(node["forward"]), read_degree(node["backward"])};
}

// Those named; otherwise Tutel and sequential where both are run, the first of all where not.
std::vector<Policy> read_references(const ConfigNode& root, const std::vector<Policy>& schedules) {
  const auto is_run = [&](Policy policy) { return std::ranges::count(schedules, policy) > 0; };
  if (!root.has("reference")) {
    if (is_run(Policy::kTutel) && is_run(Policy::kSequential)) return {Policy::kTutel, Policy::kSequential};
    return {schedules.front()};
  }
  const std::vector<Policy> references = read_policies(root["reference"]);
  for (const Policy reference : references) {
    if (is_run(reference)) continue;
    root["reference"].fail(fmt::format("{} is none of the schedules of this experiment", to_text(reference)));
  }
  return references;
}

std::optional<fs::path> read_path(const ConfigNode& root, const char* key, const fs::path& folder) {
  if (!root.has(key)) return std::nullopt;
  return folder / root[key].as_string();
}

bool reads_quick(const ConfigNode& node) {
  if (is_text(node, "quick")) return true;
  if (is_text(node, "full")) return false;
  node.fail("expected quick or full");
}

// `steps` are those of the experiment where the round has none of its own.
FinalRound read_final_round(const ConfigNode& node, int steps) {
  node.expect_keys({"plans", "repeats"}, {"steps"});
  return {.plans = static_cast<int>(node["plans"].as_int(1, kMaxSteps)),
          .repeats = static_cast<int>(node["repeats"].as_int(1, kMaxSteps)),
          .steps = node.has("steps") ? static_cast<int>(node["steps"].as_int(1, kMaxSteps)) : steps};
}

std::int64_t read_count(const ConfigNode& node) {
  return node.as_int(1, kMaxCount);
}

// 16, or {per_rank: 4}.
BatchSize read_batch(const ConfigNode& node) {
  if (!node.is_map()) return {.samples = read_count(node), .is_per_rank = false};
  node.expect_keys({"per_rank"});
  return {.samples = read_count(node["per_rank"]), .is_per_rank = true};
}

}  // namespace

Experiment load_experiment(const fs::path& path) {
  const ConfigNode root = ConfigNode::load_file(path);
  root.expect_schema(kSchema);
  root.expect_keys(
      {"schema", "networks", "batch", "sequence", "layouts", "schedules", "steps", "warmup_steps", "repeats"},
      {"cluster", "profile", "micro_batch", "degrees", "reference", "data", "final"});
  const fs::path folder = path.parent_path();
  Experiment experiment;
  experiment.cluster = read_path(root, "cluster", folder);
  if (root.has("profile")) experiment.quick_profile = reads_quick(root["profile"]);
  experiment.data = read_path(root, "data", folder);
  experiment.networks = read_networks(root["networks"], folder);
  experiment.batches = read_list<BatchSize>(root["batch"], read_batch);
  experiment.sequences = read_list<std::int64_t>(root["sequence"], read_count);
  experiment.micro_batches = {std::nullopt};
  if (root.has("micro_batch")) {
    experiment.micro_batches = read_list<std::optional<std::int64_t>>(
        root["micro_batch"], [](const ConfigNode& node) -> std::optional<std::int64_t> {
          if (is_text(node, kChosen)) return std::nullopt;
          return read_count(node);
        });
  }
  experiment.layouts = read_list<LayoutChoice>(root["layouts"], read_layout);
  experiment.schedules = read_policies(root["schedules"]);
  experiment.degrees = {DegreeChoice{}};
  if (root.has("degrees")) experiment.degrees = read_list<DegreeChoice>(root["degrees"], read_degrees);
  experiment.references = read_references(root, experiment.schedules);
  experiment.steps = static_cast<int>(root["steps"].as_int(1, kMaxSteps));
  experiment.warmup_steps = static_cast<int>(root["warmup_steps"].as_int(0, kMaxSteps));
  experiment.repeats = static_cast<int>(root["repeats"].as_int(1, kMaxSteps));
  if (root.has("final")) experiment.final_round = read_final_round(root["final"], experiment.steps);
  return experiment;
}

}  // namespace sextant
