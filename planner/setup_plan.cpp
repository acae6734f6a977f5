#include "planner/setup_plan.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "models/error.h"
#include "models/step_links.h"
#include "models/yaml_io.h"
#include "planner/plan_yaml.h"

namespace sextant {
namespace {

constexpr std::int64_t kMaxCount = std::numeric_limits<std::int32_t>::max();

// ---- writing ----

void write_setup(YamlWriter& yaml, const TrainingSetup& s) {
  yaml.begin_flow_map("batch")
      .entry("micro_batch", s.micro_batch)
      .entry("num_micro_batches", s.num_micro_batches)
      .entry("sequence", s.sequence)
      .end();
  yaml.begin_map("setup").entry("pipeline", to_text(s.pipeline)).entry("virtual_stages", s.virtual_stages);
  if (!s.stage_layers.empty()) {
    yaml.begin_flow_list("stage_layers");
    for (const int layers : s.stage_layers) yaml.item(std::int64_t{layers});
    yaml.end();
  }
  yaml.entry("zero_stage", s.zero_stage).entry("recompute", to_text(s.recompute));
  if (!s.stage_recompute.empty()) {
    yaml.begin_flow_list("stage_recompute");
    for (const Recompute recompute : s.stage_recompute) yaml.item(to_text(recompute));
    yaml.end();
  }
  yaml.entry("precision", to_text(s.precision))
      .entry("dispatch", to_text(s.dispatch))
      .entry("overlap", to_text(s.overlap))
      .entry("r_fwd", s.forward_degree)
      .entry("r_bwd", s.backward_degree)
      .entry("expert_imbalance", s.expert_imbalance)
      .entry("sequence_parallel", s.sequence_parallel)
      .entry("fused_attention", s.fused_attention)
      .entry("overlaps_tensor_parallel", s.overlaps_tensor_parallel)
      .entry("folded", s.folded)
      .entry("keeps_gathered", s.keeps_gathered)
      .end();
}

void write_terms(YamlWriter& yaml, const SetupPlan& plan) {
  yaml.comment("terms of the step time; of communication what nothing hides");
  yaml.begin_map("terms");
  for (int t = 0; t < kNumStepTerms; ++t) {
    yaml.entry(to_text(StepTerm(t)), to_exact_text(plan.found.estimate[StepTerm(t)]));
  }
  yaml.end();
  yaml.comment("terms of the peak memory of a device");
  yaml.begin_map("memory");
  for (const MemoryTerm& term : plan.found.memory.terms) yaml.entry(term.name, to_exact_text(term.bytes));
  yaml.end();
}

// ---- reading ----

std::vector<int> read_stage_layers(const ConfigNode& list, int stages) {
  std::vector<int> result;
  for (const ConfigNode& layers : list.items()) result.push_back(layers.as_count());
  if (result.size() != static_cast<std::size_t>(stages)) {
    list.fail(fmt::format("found {} stages, but pp is {}", result.size(), stages));
  }
  return result;
}

Recompute read_recompute(const ConfigNode& node) {
  return read_enum<Recompute>(node, std::array{Recompute::kNone, Recompute::kSelective, Recompute::kFull});
}

// Written only where stages differ.
std::vector<Recompute> read_stage_recompute(const ConfigNode& list, int stages) {
  std::vector<Recompute> result;
  for (const ConfigNode& recompute : list.items()) result.push_back(read_recompute(recompute));
  if (result.size() != static_cast<std::size_t>(stages)) {
    list.fail(fmt::format("found {} stages, but pp is {}", result.size(), stages));
  }
  return result;
}

// Files that say nothing: DualPipe and interleaved pipelines with de-duplicated dispatch overlapped two micro-batches.
Overlap read_overlap(const ConfigNode& node, const TrainingSetup& s) {
  if (node.has("overlap")) {
    return read_enum<Overlap>(node["overlap"], std::array{Overlap::kNone, Overlap::kChunks, Overlap::kMicroBatches});
  }
  const bool interleaved = s.degrees.pp > 1 && s.virtual_stages > 1;
  const bool paired =
      s.pipeline == PipelineSchedule::kDualPipe || (interleaved && s.dispatch == Dispatch::kDeduplicated);
  return paired ? Overlap::kMicroBatches : Overlap::kNone;
}

// Chunks of a pass; 1 where the file says nothing.
int read_degree(const ConfigNode& node, const char* key, Overlap overlap) {
  const int degree = node.has(key) ? node[key].as_count() : 1;
  if (degree > 1 && overlap != Overlap::kChunks) {
    node[key].fail(fmt::format("found {} beside overlap {}, expected 1", degree, to_text(overlap)));
  }
  return degree;
}

TrainingSetup read_setup(const ConfigNode& root, const ParallelLayout& layout) {
  const ConfigNode batch = root["batch"];
  batch.expect_keys({"micro_batch", "num_micro_batches", "sequence"});
  const ConfigNode node = root["setup"];
  node.expect_keys({"pipeline", "virtual_stages", "zero_stage", "recompute", "precision", "dispatch",
                    "sequence_parallel", "fused_attention", "overlaps_tensor_parallel", "folded", "keeps_gathered"},
                   {"stage_layers", "stage_recompute", "expert_imbalance", "overlap", "r_fwd", "r_bwd"});
  TrainingSetup s;
  s.degrees = layout.degrees();
  s.micro_batch = batch["micro_batch"].as_int(1, kMaxCount);
  s.num_micro_batches = batch["num_micro_batches"].as_int(1, kMaxCount);
  s.sequence = batch["sequence"].as_int(1, kMaxCount);
  s.pipeline = read_enum<PipelineSchedule>(
      node["pipeline"],
      std::array{PipelineSchedule::k1F1B, PipelineSchedule::kZeroBubble, PipelineSchedule::kDualPipe});
  s.virtual_stages = node["virtual_stages"].as_count();
  if (node.has("stage_layers")) s.stage_layers = read_stage_layers(node["stage_layers"], s.degrees.pp);
  s.zero_stage = static_cast<int>(node["zero_stage"].as_int(0, 3));
  s.recompute = read_recompute(node["recompute"]);
  if (node.has("stage_recompute")) {
    s.stage_recompute = read_stage_recompute(node["stage_recompute"], s.degrees.pp);
    if (s.recompute != Recompute::kNone) node["recompute"].fail("found beside stage_recompute, expected none");
  }
  s.precision = read_enum<Precision>(node["precision"], std::array{Precision::kBf16, Precision::kFp8});
  s.dispatch = read_enum<Dispatch>(node["dispatch"], std::array{Dispatch::kFlat, Dispatch::kHierarchical1D,
                                                                Dispatch::kHierarchical2D, Dispatch::kDeduplicated});
  s.overlap = read_overlap(node, s);
  s.forward_degree = read_degree(node, "r_fwd", s.overlap);
  s.backward_degree = read_degree(node, "r_bwd", s.overlap);
  if (node.has("expert_imbalance")) s.expert_imbalance = node["expert_imbalance"].as_double(1.0, 1e6);
  s.sequence_parallel = node["sequence_parallel"].as_bool();
  s.fused_attention = node["fused_attention"].as_bool();
  s.overlaps_tensor_parallel = node["overlaps_tensor_parallel"].as_bool();
  s.folded = node["folded"].as_bool();
  s.keeps_gathered = node["keeps_gathered"].as_bool();
  return s;
}

// The sums of terms are written with the totals: a file in which they differ was edited.
template <typename Quantity>
void expect_total(const ConfigNode& terms, const char* name, Quantity sum, Quantity total) {
  constexpr double kRounding = 1e-9;
  if (std::abs(sum.value() - total.value()) <= kRounding * total.value()) return;
  terms.fail(fmt::format("sum to {}, but {} is {}", to_text(sum), name, to_text(total)));
}

StepEstimate read_terms(const ConfigNode& node) {
  StepEstimate estimate;
  std::array<bool, kNumStepTerms> found{};
  for (const auto& [key, value] : node.entries()) {
    int t = 0;
    while (t < kNumStepTerms && key != to_text(StepTerm(t))) ++t;
    if (t == kNumStepTerms) value.fail(fmt::format("'{}' is no term of a step", key));
    estimate.terms[static_cast<std::size_t>(t)] = value.as_seconds();
    found[static_cast<std::size_t>(t)] = true;
  }
  for (int t = 0; t < kNumStepTerms; ++t) {
    if (!found[static_cast<std::size_t>(t)]) node.fail(fmt::format("missing term \"{}\"", to_text(StepTerm(t))));
  }
  return estimate;
}

MemoryBreakdown read_memory(const ConfigNode& node) {
  MemoryBreakdown memory;
  for (const auto& [key, value] : node.entries()) memory.terms.push_back({key, value.as_bytes()});
  if (memory.terms.empty()) node.fail("found an empty map, expected the terms of the memory");
  return memory;
}

void expect_not_executable(const ConfigNode& node) {
  const std::string text = node.as_string();
  if (text.starts_with("no (") && text.ends_with(")")) return;
  node.fail(fmt::format("found \"{}\", expected \"no (why)\": the bundled executor carries out no setups", text));
}

bool recomputes(const TrainingSetup& s, Recompute recompute) {
  return s.recompute == recompute || std::ranges::find(s.stage_recompute, recompute) != s.stage_recompute.end();
}

Seconds exposed_communication(const StepEstimate& estimate) {
  Seconds exposed;
  for (int t = 0; t < kNumStepTerms; ++t) {
    if (class_of(StepTerm(t)) == TermClass::kCommunication) exposed += estimate[StepTerm(t)];
  }
  return exposed;
}

}  // namespace

Prediction predict_setup(const SetupRequest& request, const Cluster& cluster, const FoundSetup& found,
                         Seconds lower_bound) {
  Prediction p;
  p.step_time = found.estimate.total();
  p.step_time_low = p.step_time * (1.0 - kReferenceSpread);
  p.step_time_high = p.step_time * (1.0 + kReferenceSpread);
  p.lower_bound = std::min(lower_bound, p.step_time);
  p.exposed_communication = exposed_communication(found.estimate);
  p.peak_memory = found.memory.total();
  const double tokens = static_cast<double>(request.global_batch * request.sequence);
  p.tokens_per_s_per_device = tokens / p.step_time.value() / request.topology.num_ranks();
  p.mfu = p.tokens_per_s_per_device * model_flops_per_token(request.network, request.sequence).value() /
          cluster.device.peak.value();
  p.worst_source = CostSource::kDatasheet;
  return p;
}

std::vector<SetupPlan> setup_plans(const SetupRequest& request, const Cluster& cluster, const SetupResult& result) {
  const std::string network_hash = content_hash(network_to_yaml(request.network));
  const std::string cluster_hash = content_hash(cluster_to_yaml(cluster));
  std::vector<SetupPlan> plans;
  for (const FoundSetup& found : result.setups) {
    plans.push_back({.network = request.network,
                     .topology = request.topology,
                     .found = found,
                     .prediction = predict_setup(request, cluster, found, result.lower_bound()),
                     .network_hash = network_hash,
                     .cluster_hash = cluster_hash,
                     .cluster_name = cluster.name});
  }
  return plans;
}

std::string why_not_executable(const TrainingSetup& s) {
  std::vector<std::string> lacks;
  if (s.degrees.pp > 1) lacks.emplace_back("pipeline stages");
  if (s.degrees.cp > 1) lacks.emplace_back("context parallelism");
  if (s.zero_stage > 0) lacks.push_back(fmt::format("ZeRO-{}", s.zero_stage));
  for (const Recompute recompute : {Recompute::kSelective, Recompute::kFull}) {
    if (recomputes(s, recompute)) lacks.push_back(fmt::format("{} recomputation", to_text(recompute)));
  }
  if (s.dispatch != Dispatch::kFlat) lacks.push_back(fmt::format("{} dispatch", to_text(s.dispatch)));
  lacks.emplace_back(to_text(s.precision));
  return fmt::format("the cluster is known by reference only; the bundled executor has no {}", fmt::join(lacks, ", "));
}

std::string setup_plan_to_yaml(const SetupPlan& plan) {
  YamlWriter yaml;
  yaml.begin_map().entry("schema", kSetupSchema);
  yaml.entry("cluster", plan.cluster_name);
  yaml.entry("cluster_hash", plan.cluster_hash);
  yaml.entry("network_hash", plan.network_hash);
  yaml.entry("executable", fmt::format("no ({})", why_not_executable(plan.found.setup)));
  write_layout(yaml, ParallelLayout(plan.found.setup.degrees, plan.topology));
  write_setup(yaml, plan.found.setup);
  write_prediction(yaml, plan.prediction);
  write_terms(yaml, plan);
  yaml.begin_map("network");
  write_network(yaml, plan.network);
  yaml.end().end();
  return yaml.text();
}

SetupPlan load_setup_plan(const std::filesystem::path& path) {
  return parse_setup_plan(ConfigNode::load_file(path));
}

SetupPlan parse_setup_plan(const ConfigNode& root) {
  root.expect_schema(kSetupSchema);
  root.expect_keys({"schema", "cluster", "cluster_hash", "network_hash", "executable", "topology", "layout", "batch",
                    "setup", "prediction", "terms", "memory", "network"});
  expect_not_executable(root["executable"]);
  const ParallelLayout layout = read_layout(root);
  SetupPlan plan{.network = parse_network(root["network"]),
                 .topology = layout.topology(),
                 .found = {read_setup(root, layout), read_terms(root["terms"]), read_memory(root["memory"])},
                 .prediction = read_prediction(root["prediction"]),
                 .network_hash = root["network_hash"].as_string(),
                 .cluster_hash = root["cluster_hash"].as_string(),
                 .cluster_name = root["cluster"].as_string()};
  expect_total(root["terms"], "step_time", plan.found.estimate.total(), plan.prediction.step_time);
  expect_total(root["memory"], "peak_memory", plan.found.memory.total(), plan.prediction.peak_memory);
  return plan;
}

}  // namespace sextant
