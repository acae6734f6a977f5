#include "executor/trainer.h"

#include <atomic>
#include <cmath>
#include <limits>
#include <mutex>
#include <string>
#include <vector>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/executor/small_job.h"
#include "tests/fakes/fake_cost_model.h"

namespace sextant {
namespace {

using ::testing::HasSubstr;

TrainOptions small_options(std::int64_t steps) {
  TrainOptions options;
  options.steps = steps;
  options.seed = 3;
  options.optimizer.learning_rate = 1e-2;
  options.optimizer.warmup_steps = 2;
  return options;
}

// The summaries that the ranks return, [rank].
std::vector<TrainSummary> train_small(const Plan& plan, const TrainOptions& options,
                                      const StepPrediction& prediction = {}) {
  const Corpus corpus = small_corpus();
  std::vector<TrainSummary> summaries(static_cast<std::size_t>(plan.step.layout.world_size()));
  run_local(plan.step.layout.world_size(), [&](World& world) {
    summaries[static_cast<std::size_t>(world.rank())] =
        train(world, {.plan = plan, .prediction = prediction, .corpus = corpus}, options);
  });
  return summaries;
}

std::vector<double> losses(const TrainSummary& summary) {
  std::vector<double> result;
  for (const StepRecord& record : summary.records) result.push_back(record.result.loss);
  return result;
}

std::string error_of(const Plan& plan, const TrainOptions& options) {
  try {
    static_cast<void>(train_small(plan, options));
  } catch (const ConfigError& error) {
    return error.what();
  }
  return "no error";
}

TEST(NumWarmupSteps, IsATenthButAtLeastThreeAndLeavesOne) {
  EXPECT_EQ(num_warmup_steps(200), 20);
  EXPECT_EQ(num_warmup_steps(20), 3);
  EXPECT_EQ(num_warmup_steps(3), 2);
  EXPECT_EQ(num_warmup_steps(1), 0);
}

TEST(TimeStatistics, OfElevenTimesAreTheirOrderStatistics) {
  // 0, 1, ..., 10 s: quantile q is 10 q
  std::vector<Seconds> times;
  for (int i = 10; i >= 0; --i) times.emplace_back(i);
  const TimeStatistics statistics = time_statistics(times);
  EXPECT_EQ(statistics.mean, Seconds(5.0));
  EXPECT_EQ(statistics.median, Seconds(5.0));
  EXPECT_EQ(statistics.p10, Seconds(1.0));
  EXPECT_EQ(statistics.p90, Seconds(9.0));
}

TEST(TimeStatistics, InterpolateBetweenTwo) {
  // 1 s and 2 s: p10 = 1 + 0.1
  const TimeStatistics statistics = time_statistics({Seconds(2.0), Seconds(1.0)});
  EXPECT_DOUBLE_EQ(statistics.p10.value(), 1.1);
  EXPECT_DOUBLE_EQ(statistics.median.value(), 1.5);
}

TEST(CheckPlan, SaysHowManyRanksThePlanNeeds) {
  const Plan plan = small_plan({.dp = 2, .tp = 2, .ep = 2, .esp = 2});
  EXPECT_NO_THROW(check_plan(plan, 4));
  try {
    check_plan(plan, 2);
    FAIL() << "no error";
  } catch (const ConfigError& error) {
    EXPECT_EQ(std::string(error.what()),
              "plan needs 4 ranks (" + to_text(plan.step.layout.degrees()) + "), this job has 2");
  }
}

TEST(CheckPlan, AcceptsSinglePrecisionAlone) {
  Plan plan = small_plan({});
  plan.step.element_bytes = 2;
  EXPECT_THROW(check_plan(plan, 1), ConfigError);
}

TEST(Train, LearnsAPeriodicTextBelowItsUnigramEntropy) {
  const TrainSummary summary = train_small(small_plan({.dp = 2, .ep = 2}), small_options(60)).front();
  EXPECT_NEAR(summary.first_loss, std::log(64.0), 0.2);  // parameters near zero: uniform over the vocabulary
  EXPECT_LT(summary.last_loss, 0.5 * unigram_entropy_nats(small_corpus().bytes));
  EXPECT_EQ(summary.records.size(), 60u);
  EXPECT_EQ(summary.records.front().step, 1);
  EXPECT_EQ(summary.records.back().step, 60);
}

TEST(Train, EveryRankReturnsTheSameSummary) {
  const std::vector<TrainSummary> summaries = train_small(small_plan({.dp = 2, .ep = 2}), small_options(6));
  EXPECT_EQ(losses(summaries[0]), losses(summaries[1]));
  EXPECT_EQ(summaries[0].step_time.mean, summaries[1].step_time.mean);
  EXPECT_EQ(summaries[0].traced.step, summaries[1].traced.step);
  EXPECT_EQ(summaries[0].measured.busy_fraction, summaries[1].measured.busy_fraction);
}

TEST(Train, TheLossDoesNotDependOnTheLayout) {
  const std::vector<double> single = losses(train_small(small_plan({}), small_options(5)).front());
  for (const ParallelDegrees& degrees :
       {ParallelDegrees{.dp = 2, .ep = 2}, ParallelDegrees{.tp = 2, .esp = 2}, ParallelDegrees{.dp = 2, .edp = 2}}) {
    const std::vector<double> parallel = losses(train_small(small_plan(degrees), small_options(5)).front());
    for (std::size_t i = 0; i < single.size(); ++i) {
      EXPECT_NEAR(parallel[i], single[i], 1e-5 * single[i]) << to_text(degrees) << " step " << i + 1;
    }
  }
}

TEST(Train, TheTracedStepIsCountedAndHasAllTasksOfAllRanks) {
  const Plan plan = small_plan({.dp = 2, .ep = 2});
  const TrainSummary summary = train_small(plan, small_options(12)).front();
  EXPECT_EQ(summary.num_warmup, 3);
  EXPECT_GT(summary.traced.step, 3);
  ASSERT_EQ(summary.traced.ranks.size(), 2u);
  for (const Timeline& timeline : summary.traced.ranks) {
    ASSERT_EQ(timeline.spans.size(), summary.graph.tasks.size());
    for (const TaskSpan& span : timeline.spans) EXPECT_LE(span.start, span.end);
    // the step ends after its last task, on the slowest rank
    EXPECT_LE(timeline.makespan(), summary.records[static_cast<std::size_t>(summary.traced.step - 1)].step_time);
  }
}

TEST(Train, StatisticsLeaveTheWarmUpOut) {
  const TrainSummary summary = train_small(small_plan({}), small_options(5)).front();
  // 3 of 5 are warm-up: the mean is that of steps 4 and 5
  const Seconds sum = summary.records[3].step_time + summary.records[4].step_time;
  EXPECT_DOUBLE_EQ(summary.step_time.mean.value(), (sum / 2.0).value());
  EXPECT_DOUBLE_EQ(summary.tokens_per_s, 4 * 16 / summary.step_time.mean.value());
  EXPECT_GT(summary.measured.busy_fraction[static_cast<int>(Resource::kCompute)], 0.0);
  EXPECT_LE(summary.measured.busy_fraction[static_cast<int>(Resource::kCompute)], 1.0);
}

TEST(Train, TheCallbackSeesEveryStepInOrder) {
  std::mutex mutex;
  std::vector<std::int64_t> steps;
  TrainOptions options = small_options(4);
  options.on_step = [&](const StepRecord& record) {
    const std::lock_guard lock(mutex);
    steps.push_back(record.step);
  };
  static_cast<void>(train_small(small_plan({}), options));
  EXPECT_EQ(steps, (std::vector<std::int64_t>{1, 2, 3, 4}));
}

TEST(Train, AnErrorOfOneRanksCallbackEndsAllRanks) {
  TrainOptions options = small_options(4);
  // Not std::call_once: under the thread sanitizer one that throws never lets the next caller in.
  std::atomic<bool> has_thrown = false;
  options.on_step = [&](const StepRecord&) {
    if (!has_thrown.exchange(true)) throw ConfigError("log.jsonl: cannot be written");
  };
  const Plan plan = small_plan({.dp = 2, .ep = 2});
  const Corpus corpus = small_corpus();
  const StepPrediction prediction;
  run_local(2, [&](World& world) {
    EXPECT_THROW(static_cast<void>(train(world, {.plan = plan, .prediction = prediction, .corpus = corpus}, options)),
                 ConfigError);
  });
}

TEST(Train, NamesTheStepInWhichABackendFailed) {
  TrainOptions options = small_options(4);
  options.on_step = [&](const StepRecord& record) {
    if (record.step == 2) throw BackendError("rank 0: the link is lost");
  };
  try {
    static_cast<void>(train_small(small_plan({}), options));
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_STREQ(error.what(), "step 2: rank 0: the link is lost");
  }
}

TEST(Train, ALossThatIsNoNumberEndsTheRun) {
  TrainOptions options = small_options(50);
  options.optimizer.learning_rate = 1e30;
  options.optimizer.warmup_steps = 0;
  EXPECT_THAT(error_of(small_plan({.dp = 2, .ep = 2}), options), HasSubstr("train with a lower learning rate"));
}

TEST(Train, ThePredictedOrderOfIssueTrainsTheSame) {
  // Compute is slow, so that the simulated order differs from the order in which tasks were made.
  const FakeCostModel costs([](const KernelWork&) { return Seconds(0.003); },
                            [](const CollectiveWork&) { return Seconds(0.001); });
  const Plan plan = small_plan({.dp = 2, .ep = 2});
  const std::vector<double> simulated = losses(train_small(plan, small_options(3), predict_step(plan, &costs)).front());
  EXPECT_EQ(simulated, losses(train_small(plan, small_options(3)).front()));
}

}  // namespace
}  // namespace sextant
