// sextant experiment: carries a list of plans out and writes predicted beside measured.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <numeric>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "executor/data.h"
#include "executor/runtime/runtime.h"
#include "executor/trainer.h"
#include "models/cluster.h"
#include "models/error.h"
#include "models/yaml_io.h"
#include "planner/plan.h"
#include "profiler/profile.h"
#include "tools/console.h"
#include "tools/experiment/experiment_choice.h"
#include "tools/experiment/experiment_file.h"
#include "tools/experiment/experiment_folder.h"
#include "tools/experiment/experiment_plans.h"
#include "tools/experiment/experiment_results.h"
#include "tools/experiment/experiment_rows.h"
#include "tools/experiment/experiment_runner.h"
#include "tools/experiment/experiment_text.h"
#include "tools/profile_progress.h"
#include "tools/progress_line.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

constexpr int kNoFeasiblePlan = 3;
// Rank 0 plans while the others wait for it.
constexpr Seconds kPatience{3600.0};

struct ExperimentArguments {
  std::string file;
  std::string out;
  std::optional<std::string> cluster;
  std::optional<int> ranks;
  bool force = false;
  bool json = false;
};

// Ranks that are threads of this process read the text once.
struct SharedCorpus {
  std::once_flag once;
  Corpus corpus;
};

std::optional<std::filesystem::path> cluster_path(const ExperimentArguments& arguments, const Experiment& experiment) {
  return arguments.cluster ? std::optional<std::filesystem::path>(*arguments.cluster) : experiment.cluster;
}

// One rank's part. The members stand in the order in which the experiment makes them.
class ExperimentJob {
 public:
  ExperimentJob(World& world, const ExperimentArguments& arguments, SharedCorpus& shared)
      : world_(world), arguments_(arguments), shared_(shared), line_(stderr, is_terminal(stderr)) {}

  int run() {
    run_on_all(world_, [&] { prepare(); });
    if (!cluster_) cluster_ = measure_cluster();
    costs_ = make_cost_model(*cluster_);
    run_on_all(world_, [&] {
      if (speaks()) make_plans();
    });
    share_plans();
    if (plans_.empty()) return kNoFeasiblePlan;
    measure_all();
    if (experiment_.final_round) measure_final();
    run_on_all(world_, [&] {
      if (speaks()) finish();
    });
    return 0;
  }

 private:
  [[nodiscard]] bool speaks() const { return world_.rank() == 0; }
  void prepare();
  void load_text();
  [[nodiscard]] Cluster measure_cluster();
  void warn_of_other_machine() const;
  void make_plans();
  void share_plans();
  void measure_all();
  void measure_final();
  // Plans `indices` of all, in turn.
  [[nodiscard]] std::vector<StepTimes> measure(std::span<const std::size_t> indices, int steps, int repeats,
                                               bool is_final);
  void show(const RunProgress& progress, const ExperimentPlan& plan);
  void finish() const;

  World& world_;
  const ExperimentArguments& arguments_;
  SharedCorpus& shared_;
  ProgressLine line_;
  Experiment experiment_;
  std::optional<ExperimentFolder> folder_;  // rank 0 only
  std::optional<Cluster> cluster_;
  std::unique_ptr<CostModel> costs_;
  ExperimentPlans made_;             // rank 0 only
  std::vector<Plan> plans_;          // the same on every rank
  std::vector<ExperimentRow> rows_;  // rank 0 only
  std::vector<Finalist> finalists_;
};

void ExperimentJob::prepare() {
  experiment_ = load_experiment(arguments_.file);
  const auto path = cluster_path(arguments_, experiment_);
  if (path) {
    cluster_ = load_cluster(*path);
    if (speaks()) warn_of_other_machine();
  }
  std::call_once(shared_.once, [&] { load_text(); });
  if (speaks()) folder_.emplace(arguments_.out, arguments_.force);
}

void ExperimentJob::load_text() {
  if (experiment_.data) {
    shared_.corpus = load_corpus(*experiment_.data);
    return;
  }
  constexpr std::int64_t kRandomTokens = 1 << 20;
  const auto& least = std::ranges::min_element(experiment_.networks, {}, &Network::vocabulary);
  shared_.corpus = random_corpus(least->vocabulary, kRandomTokens + std::ranges::max(experiment_.sequences));
}

void ExperimentJob::warn_of_other_machine() const {
  if (cluster_->topology != world_.topology()) {
    warn(fmt::format("cluster {} is {} nodes of {} ranks, this job has {} of {}", cluster_->name,
                     cluster_->topology.nodes, cluster_->topology.devices_per_node, world_.topology().nodes,
                     world_.topology().devices_per_node));
  }
  if (cluster_->backend != world_.backend()) {
    warn(fmt::format("cluster {} was measured with back end {}, this job runs on {}", cluster_->name, cluster_->backend,
                     world_.backend()));
  }
}

// Where no file says what things cost here: every kernel and collective of this experiment.
Cluster ExperimentJob::measure_cluster() {
  ProfileOptions options;
  options.networks = experiment_.networks;
  options.sequences = experiment_.sequences;
  options.micro_batches = possible_micro_batches(experiment_, world_.size());
  options.quick = experiment_.quick_profile;
  if (speaks()) {
    options.progress = [this](const ProfileProgress& progress) {
      line_.show(profile_progress_line(progress), progress.done, progress.total);
    };
  }
  return profile(world_, options);
}

void ExperimentJob::make_plans() {
  const bool rewrites = is_terminal(stderr);
  const auto show = [rewrites](int points) {
    if (rewrites) fmt::print(stderr, "\rplanning: {}\033[K", points);
  };
  if (!rewrites) fmt::print(stderr, "planning\n");
  made_ = plan_experiment(experiment_, *cluster_, world_.topology(), show);
  fmt::print(stderr, "{}{} plans, {} skipped\n", rewrites ? "\r\033[K" : "", made_.plans.size(), made_.skipped.size());
  if (!made_.plans.empty()) return folder_->write_plans(arguments_.file, *cluster_, made_.plans);
  const SkippedPlan& first = made_.skipped.front();
  tell_error(fmt::format("no feasible plan: {} skipped, e.g. {} on {}: {}", made_.skipped.size(), first.schedule,
                         first.layout, first.reason));
}

// Rank 0's plans, so that all ranks run the same whatever processor each has.
void ExperimentJob::share_plans() {
  std::vector<std::string> texts;
  for (const ExperimentPlan& plan : made_.plans) texts.push_back(plan_to_yaml(plan.plan));
  texts = share_texts(world_, texts);
  run_on_all(world_, [&] {
    for (const std::string& text : texts) {
      plans_.push_back(parse_plan(ConfigNode::parse(text, "plan of rank 0")));
      check_plan(plans_.back(), world_.size());
      check_corpus(shared_.corpus, plans_.back().step, experiment_.data.value_or("random tokens"));
    }
  });
}

std::vector<StepTimes> ExperimentJob::measure(std::span<const std::size_t> indices, int steps, int repeats,
                                              bool is_final) {
  const auto started = std::chrono::steady_clock::now();
  std::vector<Plan> plans;
  for (const std::size_t index : indices) plans.push_back(plans_.at(index));
  ExperimentRun run{.plans = plans,
                    .costs = *costs_,
                    .corpus = shared_.corpus,
                    .steps = steps,
                    .warmup_steps = experiment_.warmup_steps,
                    .repeats = repeats,
                    .on_start = nullptr};
  run.on_start = [&](int index, int repeat) {
    const std::chrono::duration<double> elapsed = std::chrono::steady_clock::now() - started;
    const RunStart start{.index = index, .repeat = repeat, .elapsed = Seconds(elapsed.count())};
    if (speaks()) show(run_progress(run, start), made_.plans[indices[static_cast<std::size_t>(index)]]);
  };
  run.on_end = [&](int index, int repeat, std::span<const Seconds> times) {
    if (!speaks()) return;
    folder_->append_times(
        {.plan = indices[static_cast<std::size_t>(index)], .repeat = repeat, .is_final = is_final, .steps = times});
  };
  return measure_plans(world_, run);
}

void ExperimentJob::measure_all() {
  std::vector<std::size_t> all(plans_.size());
  std::iota(all.begin(), all.end(), std::size_t{0});
  const std::vector<StepTimes> times = measure(all, experiment_.steps, experiment_.repeats, false);
  run_on_all(world_, [&] {
    if (speaks()) rows_ = make_rows(made_.plans, *costs_, times);
  });
}

// Rank 0 says which plans run again.
void ExperimentJob::measure_final() {
  const FinalRound& round = *experiment_.final_round;
  std::vector<std::string> texts;
  for (const std::size_t row : finalists(rows_, round.plans)) texts.push_back(std::to_string(row));
  std::vector<std::size_t> again;
  for (const std::string& text : share_texts(world_, texts)) again.push_back(std::stoul(text));
  if (speaks()) fmt::print(stderr, "measuring {} plans again\n", again.size());
  const std::vector<StepTimes> times = measure(again, round.steps, round.repeats, true);
  for (std::size_t i = 0; i < again.size(); ++i) finalists_.push_back({.row = again[i], .times = times[i]});
}

void ExperimentJob::show(const RunProgress& progress, const ExperimentPlan& plan) {
  const std::string left = progress.left ? fmt::format(", {:.0f} s left", progress.left->value()) : "";
  const std::string text = fmt::format("{}/{}{}: {}, {} on {}", progress.number, progress.total, left, plan.name,
                                       to_text(plan.plan.schedule.policy), to_text(plan.plan.step.layout.degrees()));
  line_.show(text, progress.number, progress.total);
}

void ExperimentJob::finish() const {
  std::vector<std::string> references;
  for (const Policy reference : experiment_.references) references.emplace_back(to_text(reference));
  const ExperimentResults results{.rows = rows_,
                                  .skipped = made_.skipped,
                                  .finalists = finalists_,
                                  .references = std::move(references),
                                  .backend = world_.backend(),
                                  .machine = world_.device().description(),
                                  .date = current_date(),
                                  .topology = world_.topology()};
  folder_->write_results(results);
  if (arguments_.json) {
    fmt::print("{}", experiment_json(results));
  } else {
    fmt::print("{}results: {}\n", experiment_text(results), arguments_.out);
  }
}

// Without a launcher the ranks are threads: as many as the cluster file has, on nodes cut the same.
LaunchOptions launch_options(const ExperimentArguments& arguments, Backend backend) {
  LaunchOptions options{.num_ranks = arguments.ranks, .topology = std::nullopt, .patience = kPatience};
  if (backend != Backend::kLocal) return options;
  const auto path = cluster_path(arguments, load_experiment(arguments.file));
  const Topology measured = path ? load_cluster(*path).topology : Topology{};
  if (!options.num_ranks) options.num_ranks = measured.num_ranks();
  if (options.num_ranks == measured.num_ranks()) options.topology = measured;
  return options;
}

int run_experiment(const ExperimentArguments& arguments) {
  const Backend backend = detect_backend();
  SharedCorpus shared;
  return launch(backend, launch_options(arguments, backend),
                [&](World& world) { return ExperimentJob(world, arguments, shared).run(); });
}

}  // namespace

void add_experiment_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("experiment", "Carry a list of plans out and write predicted beside measured.");
  verb->footer(
      "Ranks are threads of this process; for processes start it under mpirun:\n"
      "  mpirun -np 4 sextant experiment configs/experiments/quick.yaml --out quick/\n"
      "The folder gets results.csv (a row a plan), details.csv, summary.json, plans/, cluster.yaml, experiment.yaml,\n"
      "times.csv (a row a step, written as plans end), and final.csv where plans are measured again.\n"
      "Exit code 3 when no plan of the file is feasible here.");
  auto arguments = std::make_shared<ExperimentArguments>();
  verb->add_option("file", arguments->file, "Experiment file, such as those in configs/experiments/")
      ->required()
      ->type_name("FILE");
  verb->add_option("--out", arguments->out, "Folder for the results, created where it is missing")
      ->required()
      ->type_name("DIR");
  verb->add_option("--cluster", arguments->cluster,
                   "Cluster file that prices the plans, instead of the file's own; without either this machine is "
                   "measured first")
      ->type_name("FILE");
  verb->add_option("--ranks", arguments->ranks, "Number of ranks; default: as the cluster file, or as launched")
      ->check(CLI::Range(1, 1 << 12));
  verb->add_flag("--force", arguments->force, "Replace a finished experiment in the folder");
  verb->add_flag("--json", arguments->json, "Print the summary as one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_experiment(*arguments); }; });
}

}  // namespace sextant
