// sextant train: carries a plan out on real data and leaves a run folder.
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include <fmt/format.h>

#include "executor/checkpoint.h"
#include "executor/data.h"
#include "executor/runtime/runtime.h"
#include "executor/trainer.h"
#include "tools/console.h"
#include "tools/plan_inputs.h"
#include "tools/progress_line.h"
#include "tools/run_folder.h"
#include "tools/run_summary.h"
#include "tools/verbs/verbs.h"

namespace sextant {
namespace {

struct TrainArguments {
  std::string plan;
  std::string data;
  std::string out;
  std::optional<std::string> cluster;
  std::int64_t steps = 0;
  std::uint64_t seed = 1;
  double learning_rate = OptimizerOptions{}.learning_rate;
  int warmup_steps = OptimizerOptions{}.warmup_steps;
  std::optional<int> ranks;
  double timeout_s = LaunchOptions{}.patience.value();
  std::int64_t checkpoint_every = 0;
  bool resume = false;
  bool force = false;
  bool json = false;
};

// Ranks that are threads of this process read the text once.
struct SharedCorpus {
  std::once_flag once;
  Corpus corpus;
};

// Everything a rank reads before the first step.
struct TrainInputs {
  PricedPlan priced;
  StepPrediction prediction;
  const Corpus& corpus;
  CheckpointInfo start;  // where the run begins: step 0, or the checkpoint's
};

// The prediction is for the ranks that were measured: say so where these are others.
void warn_of_other_machine(PricedPlan& priced, const World& world) {
  const Topology& planned = priced.plan.step.layout.topology();
  const Topology here = world.topology();
  if (planned != here) {
    priced.warnings.push_back(fmt::format("the plan is for {} nodes of {} ranks, this job has {} of {}", planned.nodes,
                                          planned.devices_per_node, here.nodes, here.devices_per_node));
  }
  if (priced.cluster && priced.cluster->backend != world.backend()) {
    priced.warnings.push_back(fmt::format("cluster {} was measured with back end {}, this job runs on {}",
                                          priced.cluster->name, priced.cluster->backend, world.backend()));
  }
}

TrainInputs load_inputs(const TrainArguments& arguments, const World& world, SharedCorpus& shared) {
  PricedPlan priced = load_priced_plan(arguments.plan, arguments.cluster);
  check_plan(priced.plan, world.size());
  warn_of_other_machine(priced, world);
  std::call_once(shared.once, [&] { shared.corpus = load_corpus(arguments.data); });
  check_corpus(shared.corpus, priced.plan.step, arguments.data);
  StepPrediction prediction = predict_step(priced.plan, priced.costs.get());
  CheckpointInfo start{.step = 0, .seed = arguments.seed, .network_hash = {}};
  if (arguments.resume) {
    start = require_resumable(checkpoint_path(arguments.out), priced.plan.step, arguments.steps);
  }
  return {.priced = std::move(priced),
          .prediction = std::move(prediction),
          .corpus = shared.corpus,
          .start = std::move(start)};
}

ExistingRun existing_run(const TrainArguments& arguments) {
  if (arguments.resume) return ExistingRun::kContinue;
  return arguments.force ? ExistingRun::kReplace : ExistingRun::kRefuse;
}

OptimizerOptions optimizer_options(const TrainArguments& arguments) {
  OptimizerOptions options;
  options.learning_rate = arguments.learning_rate;
  options.min_learning_rate = arguments.learning_rate / 10.0;
  options.warmup_steps = arguments.warmup_steps;
  options.total_steps = static_cast<int>(arguments.steps);
  return options;
}

// What rank 0 does beside training: the run folder and the terminal.
class RunReporter {
 public:
  RunReporter(const TrainArguments& arguments, const TrainInputs& inputs, std::string backend)
      : arguments_(arguments),
        inputs_(inputs),
        backend_(std::move(backend)),
        folder_(arguments.out, existing_run(arguments), inputs.start.step),
        progress_(stderr, is_terminal(stderr)) {
    folder_.write("plan.yaml", plan_to_yaml(inputs.priced.plan));
    if (inputs.priced.cluster) folder_.write("cluster.yaml", cluster_to_yaml(*inputs.priced.cluster));
    for (const std::string& warning : inputs.priced.warnings) warn(warning);
  }

  void on_step(const StepRecord& record) {
    folder_.append_to_log(step_json(record));
    progress_.show(progress_text(record, arguments_.steps, inputs_.prediction.step_time), record.step,
                   arguments_.steps);
  }

  // The summary comes last: its presence says that the run finished.
  void finish(const TrainSummary& summary) {
    const RunResults results{.plan = inputs_.priced.plan,
                             .prediction = inputs_.prediction,
                             .summary = summary,
                             .backend = backend_,
                             .date = current_date(),
                             .data = arguments_.data,
                             .unigram_entropy_nats = unigram_entropy_nats(inputs_.corpus.bytes)};
    folder_.finish_log();
    folder_.write("trace.json", trace_json(results));
    const std::string json = summary_json(results);
    folder_.write("summary.json", json);
    if (arguments_.json) {
      fmt::print("{}", json);
    } else {
      fmt::print("{}\nrun folder: {}\n", summary_text(results), arguments_.out);
    }
  }

 private:
  const TrainArguments& arguments_;
  const TrainInputs& inputs_;
  std::string backend_;
  RunFolder folder_;
  ProgressLine progress_;
};

int train_on_rank(World& world, const TrainArguments& arguments, SharedCorpus& shared) {
  std::optional<TrainInputs> inputs;
  std::unique_ptr<RunReporter> reporter;  // rank 0 only
  run_on_all(world, [&] { inputs.emplace(load_inputs(arguments, world, shared)); });
  run_on_all(world, [&] {
    if (world.rank() == 0) reporter = std::make_unique<RunReporter>(arguments, *inputs, world.backend());
  });
  TrainOptions options;
  options.steps = arguments.steps;
  options.seed = inputs->start.seed;
  options.optimizer = optimizer_options(arguments);
  options.checkpoint = checkpoint_path(arguments.out);
  options.checkpoint_every = arguments.checkpoint_every;
  if (arguments.resume) options.resume_from = options.checkpoint;
  options.on_step = [&](const StepRecord& record) {
    if (reporter) reporter->on_step(record);
  };
  const TrainJob job{.plan = inputs->priced.plan, .prediction = inputs->prediction, .corpus = inputs->corpus};
  const TrainSummary summary = train(world, job, options);
  run_on_all(world, [&] {
    if (reporter) reporter->finish(summary);
  });
  return 0;
}

// Under a launcher the job's size is given; otherwise as many threads as the plan has ranks, on nodes
// cut as the plan's, so that its layout means the same.
LaunchOptions launch_options(const TrainArguments& arguments, Backend backend) {
  LaunchOptions options{.num_ranks = arguments.ranks, .patience = Seconds(arguments.timeout_s)};
  if (backend != Backend::kLocal) return options;
  const Topology planned = load_plan(arguments.plan).step.layout.topology();
  if (!options.num_ranks) options.num_ranks = planned.num_ranks();
  if (options.num_ranks == planned.num_ranks()) options.topology = planned;
  return options;
}

int run_train(const TrainArguments& arguments) {
  const Backend backend = detect_backend();
  SharedCorpus shared;
  return launch(backend, launch_options(arguments, backend),
                [&](World& world) { return train_on_rank(world, arguments, shared); });
}

}  // namespace

void add_train_verb(CLI::App& app, RunVerb& run) {
  auto* verb = app.add_subcommand("train", "Carry a plan out on real data and write a run folder.");
  verb->footer(
      "Ranks are threads of this process; for processes start it under mpirun:\n"
      "  mpirun -np 4 sextant train --plan plan.yaml --data texts/ --steps 200 --out run/\n"
      "The run folder gets plan.yaml, log.jsonl (a line a step), trace.json (Chrome trace) and summary.json.");
  auto arguments = std::make_shared<TrainArguments>();
  verb->add_option("--plan", arguments->plan, "Plan file, from sextant plan")->required()->type_name("FILE");
  verb->add_option("--data", arguments->data, "Text file, or folder of text files; every byte is a token")
      ->required()
      ->type_name("PATH");
  verb->add_option("--steps", arguments->steps, "Training steps in all; a resumed run goes on to this step")
      ->required()
      ->check(CLI::Range(1, 1 << 30));
  verb->add_option("--out", arguments->out, "Run folder, created where it is missing")->required()->type_name("DIR");
  verb->add_option("--cluster", arguments->cluster,
                   "Cluster file of the plan: adds the predicted timeline to trace and summary")
      ->type_name("FILE");
  verb->add_option("--ranks", arguments->ranks, "Number of ranks; default: as the plan, or as launched")
      ->check(CLI::Range(1, 1 << 20));
  verb->add_option("--timeout", arguments->timeout_s, "Seconds that a rank waits for the others before the job fails")
      ->check(CLI::Range(0.1, 1e6))
      ->capture_default_str();
  verb->add_option("--seed", arguments->seed, "Seed of the initial parameters and of the samples")
      ->capture_default_str();
  verb->add_option("--learning-rate", arguments->learning_rate, "Peak learning rate; falls to a tenth of it")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  verb->add_option("--warmup-steps", arguments->warmup_steps, "Steps over which the learning rate rises to its peak")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  verb->add_option("--checkpoint-every", arguments->checkpoint_every,
                   "Steps between checkpoints; 0: after the last step only")
      ->check(CLI::NonNegativeNumber)
      ->capture_default_str();
  auto* resume = verb->add_flag("--resume", arguments->resume,
                                "Go on from the checkpoint in the run folder up to step --steps, with any layout");
  verb->add_flag("--force", arguments->force, "Replace a finished run in the run folder")->excludes(resume);
  verb->add_flag("--json", arguments->json, "Print the summary as one JSON object on stdout");
  verb->callback([arguments, &run] { run = [arguments] { return run_train(*arguments); }; });
}

}  // namespace sextant
