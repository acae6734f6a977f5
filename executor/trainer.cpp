#include "executor/trainer.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <deque>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "executor/checkpoint.h"
#include "executor/runtime/common_error.h"
#include "models/error.h"
#include "planner/schedule.h"

namespace sextant {
namespace {

using Values = std::vector<double>;

// values of every rank, [rank][value]. REQUIRES: the same number of values on every rank.
std::vector<Values> gather_values(Communicator& communicator, const Values& values) {
  std::string text(values.size() * sizeof(double), '\0');
  std::memcpy(text.data(), values.data(), text.size());
  std::vector<Values> gathered;
  for (const std::string& from_rank : communicator.gather_text(text)) {
    SEXTANT_CHECK(from_rank.size() == text.size(), "{} bytes gathered, {} sent", from_rank.size(), text.size());
    gathered.emplace_back(values.size());
    std::memcpy(gathered.back().data(), from_rank.data(), from_rank.size());
  }
  return gathered;
}

double mean_over_ranks(const std::vector<Values>& gathered, std::size_t index) {
  double sum = 0.0;
  for (const Values& of_rank : gathered) sum += of_rank[index];
  return sum / static_cast<double>(gathered.size());
}

double max_over_ranks(const std::vector<Values>& gathered, std::size_t index) {
  double largest = gathered.front()[index];
  for (const Values& of_rank : gathered) largest = std::max(largest, of_rank[index]);
  return largest;
}

Values to_values(const Timeline& timeline) {
  Values values;
  for (const TaskSpan& span : timeline.spans) {
    values.push_back(span.start.value());
    values.push_back(span.end.value());
  }
  return values;
}

Timeline to_timeline(const Values& values) {
  Timeline timeline;
  for (std::size_t i = 0; i < values.size(); i += 2) {
    timeline.spans.push_back({.start = Seconds(values[i]), .end = Seconds(values[i + 1])});
  }
  return timeline;
}

// Order of predicted start; a topological order where no prediction is at hand. Equal start times keep
// the topological order, so a task never comes before one that it depends on.
std::vector<TaskId> issue_order(const TaskGraph& graph, const std::optional<Timeline>& predicted) {
  std::vector<TaskId> order = topological_order(graph);
  if (predicted) std::ranges::stable_sort(order, {}, [&](TaskId id) { return predicted->spans[id].start; });
  return order;
}

// Sum of what the counted steps of this rank kept busy.
class UseSum {
 public:
  void add(const ResourceUse& use) {
    for (int r = 0; r < kNumResources; ++r) sum_.busy_fraction[r] += use.busy_fraction[r];
    sum_.exposed_communication += use.exposed_communication;
    ++count_;
  }

  [[nodiscard]] ResourceUse mean_over_ranks(Communicator& communicator) const {
    Values values(sum_.busy_fraction.begin(), sum_.busy_fraction.end());
    values.push_back(sum_.exposed_communication.value());
    for (double& value : values) value /= count_;
    const std::vector<Values> gathered = gather_values(communicator, values);
    ResourceUse mean;
    for (int r = 0; r < kNumResources; ++r) mean.busy_fraction[r] = sextant::mean_over_ranks(gathered, r);
    mean.exposed_communication = Seconds(sextant::mean_over_ranks(gathered, kNumResources));
    return mean;
  }

 private:
  ResourceUse sum_;
  int count_ = 0;
};

TransformerOptions transformer_options(const TrainJob& job, const TrainOptions& options) {
  return {.optimizer = options.optimizer,
          .sources = options.sources,
          .overlap = job.plan.schedule.overlap,
          .groups = job.groups};
}

class Trainer {
 public:
  Trainer(World& world, const TrainJob& job, const TrainOptions& options)
      : world_(world),
        job_(job),
        options_(options),
        graph_(build_step_graph(job.plan.step, job.plan.schedule)),
        model_(job.plan.step, world, options.seed, transformer_options(job, options)),
        executor_(graph_, issue_order(graph_, job.prediction.timeline), world.device(), model_) {
    if (!options.resume_from.empty()) resume();
    num_warmup_ = num_warmup_steps(options.steps - model_.step());
  }

  void run() {
    while (model_.step() < options_.steps) {
      const std::int64_t step = model_.step() + 1;
      try {
        run_step(step);
        if (is_checkpoint_due()) save_checkpoint(world_, job_.plan.step, model_, options_.seed, options_.checkpoint);
      } catch (...) {
        rethrow_with_place(fmt::format("step {}", step));
      }
    }
  }

  [[nodiscard]] TrainSummary summary();

 private:
  struct RecentStep {
    std::int64_t step;
    Seconds step_time;
    Timeline timeline;
  };

  void resume();
  void run_step(std::int64_t step);
  void prepare_batch();
  [[nodiscard]] bool is_checkpoint_due() const;
  [[nodiscard]] StepRecord make_record(std::int64_t step, Seconds time_here);
  void keep(const StepRecord& record, Timeline timeline);
  [[nodiscard]] TracedStep traced_step();

  World& world_;
  const TrainJob& job_;
  const TrainOptions& options_;
  TaskGraph graph_;
  Transformer<float> model_;
  GraphExecutor executor_;
  std::int64_t num_warmup_ = 0;

  std::vector<StepRecord> records_;
  std::deque<RecentStep> recent_;
  UseSum use_;
};

void Trainer::resume() {
  run_on_all(world_, [&] { require_resumable(options_.resume_from, job_.plan.step, options_.steps); });
  load_checkpoint(world_, job_.plan.step, model_, options_.resume_from);
}

bool Trainer::is_checkpoint_due() const {
  if (options_.checkpoint.empty()) return false;
  const bool is_interval = options_.checkpoint_every > 0 && model_.step() % options_.checkpoint_every == 0;
  return is_interval || model_.step() == options_.steps;
}

void Trainer::run_step(std::int64_t step) {
  run_on_all(world_, [&] { prepare_batch(); });  // ranks leave it, and start the step, together

  const auto start = std::chrono::steady_clock::now();
  Timeline timeline = executor_.run();
  const Seconds time_here(std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count());

  const StepRecord record = make_record(step, time_here);
  keep(record, std::move(timeline));
  run_on_all(world_, [&] {
    if (options_.on_step) options_.on_step(record);
  });
}

void Trainer::prepare_batch() {
  const int replica = job_.plan.step.layout.index_in_group(GroupKind::kDp, world_.rank());
  const Batch batch =
      sample_batch(job_.corpus, job_.plan.step, {.seed = options_.seed, .step = model_.step(), .replica = replica});
  model_.set_batch(batch.inputs, batch.targets);
}

StepRecord Trainer::make_record(std::int64_t step, Seconds time_here) {
  StepRecord record;
  record.step = step;
  record.result = model_.result();
  const std::vector<Values> gathered =
      gather_values(world_.communicator(), {time_here.value(), record.result.dropped_fraction});
  record.step_time = Seconds(max_over_ranks(gathered, 0));
  record.result.dropped_fraction = mean_over_ranks(gathered, 1);
  const StepShape& shape = job_.plan.step;
  record.tokens_per_s = static_cast<double>(shape.global_batch() * shape.sequence) / record.step_time.value();
  if (!std::isfinite(record.result.loss)) {
    throw ConfigError(fmt::format("the loss is {} at step {} (learning rate {:.3g}): train with a lower learning rate",
                                  record.result.loss, step, record.result.learning_rate));
  }
  return record;
}

void Trainer::keep(const StepRecord& record, Timeline timeline) {
  records_.push_back(record);
  if (static_cast<std::int64_t>(records_.size()) <= num_warmup_) return;
  use_.add(resource_use(summarize(graph_, timeline)));
  recent_.push_back({.step = record.step, .step_time = record.step_time, .timeline = std::move(timeline)});
  if (static_cast<int>(recent_.size()) > options_.traced_steps) recent_.pop_front();
}

TracedStep Trainer::traced_step() {
  std::ranges::sort(recent_, {}, &RecentStep::step_time);
  const RecentStep& median = recent_[(recent_.size() - 1) / 2];
  TracedStep traced{.step = median.step, .ranks = {}};
  for (const Values& values : gather_values(world_.communicator(), to_values(median.timeline))) {
    traced.ranks.push_back(to_timeline(values));
  }
  return traced;
}

double mean_loss_of_last(const std::vector<StepRecord>& records, std::size_t count) {
  count = std::min(count, records.size());
  double sum = 0.0;
  for (std::size_t i = records.size() - count; i < records.size(); ++i) sum += records[i].result.loss;
  return sum / static_cast<double>(count);
}

TrainSummary Trainer::summary() {
  TrainSummary summary;
  std::vector<Seconds> times;
  for (std::size_t i = num_warmup_; i < records_.size(); ++i) times.push_back(records_[i].step_time);
  summary.num_warmup = num_warmup_;
  summary.step_time = time_statistics(std::move(times));
  const StepShape& shape = job_.plan.step;
  summary.tokens_per_s = static_cast<double>(shape.global_batch() * shape.sequence) / summary.step_time.mean.value();
  summary.first_loss = records_.front().result.loss;
  summary.last_loss = mean_loss_of_last(records_, 10);
  summary.measured = use_.mean_over_ranks(world_.communicator());
  summary.traced = traced_step();
  summary.records = std::move(records_);
  summary.graph = std::move(graph_);
  return summary;
}

}  // namespace

std::int64_t num_warmup_steps(std::int64_t num_steps) {
  return std::min(num_steps - 1, std::max<std::int64_t>(3, num_steps / 10));
}

TimeStatistics time_statistics(std::vector<Seconds> times) {
  SEXTANT_CHECK(!times.empty(), "no step was measured");
  std::ranges::sort(times);
  const auto quantile = [&](double fraction) {
    const double position = fraction * static_cast<double>(times.size() - 1);
    const auto below = static_cast<std::size_t>(position);
    const std::size_t above = std::min(below + 1, times.size() - 1);
    return times[below] + (times[above] - times[below]) * (position - static_cast<double>(below));
  };
  Seconds sum;
  for (const Seconds time : times) sum += time;
  return {.mean = sum / static_cast<double>(times.size()),
          .median = quantile(0.5),
          .p10 = quantile(0.1),
          .p90 = quantile(0.9)};
}

void check_plan(const Plan& plan, int num_ranks) {
  const ParallelLayout& layout = plan.step.layout;
  if (layout.world_size() != num_ranks) {
    throw ConfigError(fmt::format("plan needs {} ranks ({}), this job has {}", layout.world_size(),
                                  to_text(layout.degrees()), num_ranks));
  }
  if (plan.step.element_bytes != sizeof(float)) {
    throw ConfigError(fmt::format("plan has elements of {} bytes; training runs in single precision, 4 bytes",
                                  plan.step.element_bytes));
  }
}

TrainSummary train(World& world, const TrainJob& job, const TrainOptions& options) {
  check_plan(job.plan, world.size());
  if (options.steps < 1) throw ConfigError(fmt::format("{} steps asked for, at least 1 is needed", options.steps));
  Trainer trainer(world, job, options);
  trainer.run();
  return trainer.summary();
}

}  // namespace sextant
