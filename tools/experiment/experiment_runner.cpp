#include "tools/experiment/experiment_runner.h"

#include <algorithm>
#include <limits>
#include <memory>
#include <random>
#include <string>

#include "executor/runtime/groups.h"
#include "executor/trainer.h"
#include "planner/step_prediction.h"

namespace sextant {
namespace {

std::vector<Seconds> run_once(World& world, const ExperimentRun& run, const Plan& plan,
                              const std::shared_ptr<LayoutGroups>& groups) {
  const StepPrediction prediction = predict_step(plan, &run.costs);
  TrainOptions options;
  options.steps = run.warmup_steps + run.steps;
  options.traced_steps = 1;
  const TrainSummary summary =
      train(world, {.plan = plan, .prediction = prediction, .corpus = run.corpus, .groups = groups}, options);
  std::vector<Seconds> times;
  for (const StepRecord& record : summary.records) {
    if (record.step > run.warmup_steps) times.push_back(record.step_time);
  }
  return times;
}

}  // namespace

std::vector<StepTimes> measure_plans(World& world, const ExperimentRun& run) {
  std::vector<StepTimes> times(run.plans.size());
  std::shared_ptr<LayoutGroups> groups;  // making them takes as long as a small step; most plans have the last one's
  for (int repeat = 0; repeat < run.repeats; ++repeat) {
    for (std::size_t i = 0; i < run.plans.size(); ++i) {
      if (run.on_start) run.on_start(static_cast<int>(i), repeat);
      const Plan& plan = run.plans[i];
      if (!groups || groups->layout() != plan.step.layout) {
        groups = std::make_shared<LayoutGroups>(world, plan.step.layout);
      }
      times[i].push_back(run_once(world, run, plan, groups));
      if (run.on_end) run.on_end(static_cast<int>(i), repeat, times[i].back());
    }
  }
  return times;
}

Corpus random_corpus(std::int64_t vocabulary, std::int64_t num_bytes) {
  constexpr std::uint64_t kSeed = 1;
  constexpr std::int64_t kValues = std::numeric_limits<std::uint8_t>::max() + 1;
  std::mt19937_64 random(kSeed);
  const auto values = static_cast<std::uint64_t>(std::min(vocabulary, kValues));
  Corpus corpus{.bytes = std::vector<std::uint8_t>(static_cast<std::size_t>(num_bytes)), .num_files = 1};
  for (std::uint8_t& byte : corpus.bytes) byte = static_cast<std::uint8_t>(random() % values);
  return corpus;
}

std::vector<std::string> share_texts(World& world, const std::vector<std::string>& texts) {
  const bool speaks = world.rank() == 0;
  Communicator& communicator = world.communicator();
  const std::size_t count = std::stoul(communicator.gather_text(speaks ? std::to_string(texts.size()) : "0").front());
  std::vector<std::string> shared;
  for (std::size_t i = 0; i < count; ++i) {
    shared.push_back(communicator.gather_text(speaks ? texts[i] : "").front());
  }
  return shared;
}

RunProgress run_progress(const ExperimentRun& run, const RunStart& start) {
  const auto plans = static_cast<std::int64_t>(run.plans.size());
  RunProgress progress{.number = plans * start.repeat + start.index + 1, .total = plans * run.repeats, .left = {}};
  Seconds round;   // predicted, of all plans once
  Seconds before;  // ... of those before this one
  for (std::int64_t i = 0; i < plans; ++i) {
    const Seconds step_time = run.plans[static_cast<std::size_t>(i)].prediction.step_time;
    round += step_time;
    if (i < start.index) before += step_time;
  }
  const Seconds done = round * start.repeat + before;
  if (progress.number > 1) progress.left = start.elapsed * ((round * run.repeats - done) / done);
  return progress;
}

}  // namespace sextant
