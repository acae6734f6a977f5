#include "planner/order_search.h"

#include <algorithm>
#include <numeric>
#include <random>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include "models/memory_model.h"
#include "planner/checked_costs.h"
#include "planner/fixed_chunks.h"
#include "planner/layout_search.h"
#include "planner/list_scheduler.h"
#include "planner/simulator.h"

namespace sextant {
namespace {

constexpr std::array<const char*, kNumOrderExtensions> kExtensionNames = {
    "free_order", "split_expert_backward", "micro_batch_overlap", "gradient_chunks", "simulated_degrees"};
constexpr std::array kDegrees = {1, 2, 3, 4, 5, 6, 8, 10, 12, 16};
constexpr int kMaxGradientChunks = 256;           // more only cost start-up time
constexpr double kPerturbation = 4.0;             // largest change of an urgency, in mean task times
constexpr double kTasksPerPerturbation = 4000.0;  // above, fewer are tried

// A schedule and what it takes; the order is part of the schedule.
struct Candidate {
  Schedule schedule;
  Seconds time;
};

std::size_t index_of(OrderExtension extension) {
  return static_cast<std::size_t>(extension);
}

class OrderSearch {
 public:
  OrderSearch(const StepShape& step, const CostModel& costs, const OrderSearchOptions& options)
      : full_(step), step_(step), costs_(costs), options_(options) {
    step_.num_micro_batches = std::min(step.num_micro_batches, options.micro_batches);
  }

  OrderedSchedule run() {
    const Schedule fsmoe = plan_schedule(full_, costs_, Policy::kFsmoe, options_.schedule);
    base_ = searched(fsmoe);
    best_ = {base_, simulated(step_, base_)};
    const Seconds start = best_.time;
    try_alone(start);
    combine();
    OrderedSchedule result{for_all_micro_batches(), report_};
    result.report.fsmoe_time = simulated(full_, fsmoe);
    result.report.best_time = simulated(full_, result.schedule);
    if (result.report.best_time > result.report.fsmoe_time) {
      result.schedule = base_;
      result.report.best_time = result.report.fsmoe_time;
    }
    result.report.lower_bound =
        std::min(step_lower_bound(full_, costs_, options_.schedule.max_degree), result.report.best_time);
    // The gains were found on a part of the step: they are told in proportion.
    for (std::optional<Seconds>& time : result.report.alone) {
      if (time) *time = result.report.fsmoe_time * (*time / start);
    }
    return result;
  }

 private:
  static Schedule searched(Schedule schedule) {
    schedule.policy = Policy::kSearched;
    return schedule;
  }

  Seconds simulated(const StepShape& step, const Schedule& schedule) {
    ++report_.evaluated;
    return simulate(build_step_graph(step, schedule), costs_).makespan();
  }

  // The better of the order of emission and the list scheduler's.
  Candidate evaluate(Schedule schedule) {
    schedule.order.reset();
    TaskGraph graph = build_step_graph(step_, schedule);
    const Seconds emitted = simulate(graph, costs_).makespan();
    ListPriorities priorities{task_seconds(graph, costs_), {}};
    priorities.urgency = upward_ranks(graph, priorities.task_seconds, costs_.launch_latency());
    graph.order = list_schedule(graph, priorities, costs_.launch_latency());
    const Seconds listed = simulate(graph, costs_).makespan();
    report_.evaluated += 2;
    if (listed < emitted) schedule.order = std::move(graph.order);
    return {std::move(schedule), std::min(listed, emitted)};
  }

  bool fits(const OverlapOptions& overlap) const {
    return !options_.memory || training_memory(full_, overlap).total() <= *options_.memory;
  }

  // `schedule` with the extension, at its best parameter; nothing where it does not apply.
  std::optional<Candidate> extended(const Schedule& schedule, OrderExtension extension) {
    Schedule next = schedule;
    switch (extension) {
      case OrderExtension::kFreeOrder:
        return evaluate(next);
      case OrderExtension::kSplitExpertBackward:
        next.overlap.split_expert_backward = true;
        break;
      case OrderExtension::kMicroBatchOverlap:
        if (step_.num_micro_batches < 2) return std::nullopt;
        next.overlap.micro_batches_in_flight = 2;
        break;
      case OrderExtension::kGradientChunks:
        return with_gradient_chunks(schedule);
      case OrderExtension::kSimulatedDegrees:
        return with_simulated_degrees(schedule);
    }
    if (!fits(next.overlap)) return std::nullopt;
    return evaluate(next);
  }

  std::optional<Candidate> with_gradient_chunks(const Schedule& schedule) {
    std::optional<Candidate> best;
    Bytes largest;
    for (const GradientSlice& slice : schedule.gradients) {
      largest = std::max(largest, Bytes(static_cast<double>(slice.end - slice.begin) * full_.element_bytes));
    }
    if (largest == Bytes(0.0)) return std::nullopt;
    for (const double part : {1.0, 0.5, 0.25, 0.125, 0.0625}) {
      Schedule next = schedule;
      const Bytes chunk = std::max(largest * part, Bytes(full_.element_bytes));
      next.gradients = gradient_chunks(full_, chunk);
      if (next.gradients.size() > kMaxGradientChunks) break;
      Candidate candidate = evaluate(std::move(next));
      if (!best || candidate.time < best->time) best = std::move(candidate);
    }
    return best;
  }

  bool take_if_better(std::optional<Candidate> candidate) {
    if (!candidate || candidate->time >= best_.time) return false;
    best_ = std::move(*candidate);
    return true;
  }

  void try_alone(Seconds start) {
    for (int e = 0; e < kNumOrderExtensions; ++e) {
      const std::optional<Candidate> candidate = extended(base_, OrderExtension(e));
      // What does not help is not used.
      if (candidate) report_.alone[index_of(OrderExtension(e))] = std::min(candidate->time, start);
    }
  }

  // Adds the extension that helps most until none does.
  void combine() {
    bool improved = true;
    while (improved) {
      std::optional<Candidate> next;
      for (int e = 0; e < kNumOrderExtensions; ++e) {
        std::optional<Candidate> candidate = extended(best_.schedule, OrderExtension(e));
        if (candidate && (!next || candidate->time < next->time)) next = std::move(candidate);
      }
      improved = take_if_better(std::move(next));
    }
  }

  // The best backward degree, then the best forward degree.
  std::optional<Candidate> with_simulated_degrees(const Schedule& schedule) {
    std::optional<Candidate> best;
    const auto limit = std::min<std::int64_t>(options_.schedule.max_degree, full_.capacity());
    const auto vary = [&](std::optional<int> fixed, int LayerDegrees::*degree) {
      const Schedule start = best ? best->schedule : schedule;
      for (const int value : kDegrees) {
        if (fixed || value > limit) return;
        Schedule next = start;
        for (LayerDegrees& degrees : next.degrees) degrees.*degree = value;
        Candidate candidate = evaluate(std::move(next));
        if (!best || candidate.time < best->time) best = std::move(candidate);
      }
    };
    vary(options_.schedule.backward_degree, &LayerDegrees::backward);
    vary(options_.schedule.forward_degree, &LayerDegrees::forward);
    return best;
  }

  // The best schedule for the whole step, its order searched once more with perturbed urgencies.
  Schedule for_all_micro_batches() {
    Schedule schedule = best_.schedule;
    schedule.order.reset();
    TaskGraph graph = build_step_graph(full_, schedule);
    Seconds least = simulate(graph, costs_).makespan();
    ListPriorities priorities{task_seconds(graph, costs_), {}};
    const std::vector<double> ranks = upward_ranks(graph, priorities.task_seconds, costs_.launch_latency());
    std::mt19937_64 generator(options_.seed);
    const std::vector<double>& seconds = priorities.task_seconds;
    const double tasks = static_cast<double>(seconds.size());
    const double largest = kPerturbation * std::accumulate(seconds.begin(), seconds.end(), 0.0) / tasks;
    std::uniform_real_distribution<double> change(-largest, largest);
    const auto tries = static_cast<int>(options_.perturbations * std::min(1.0, kTasksPerPerturbation / tasks));
    for (int i = 0; i <= tries; ++i) {
      priorities.urgency = ranks;
      for (double& urgency : priorities.urgency) urgency += i == 0 ? 0.0 : change(generator);
      graph.order = list_schedule(graph, priorities, costs_.launch_latency());
      ++report_.evaluated;
      const Seconds time = simulate(graph, costs_).makespan();
      if (time >= least) continue;
      least = time;
      schedule.order = graph.order;
    }
    return schedule;
  }

  const StepShape& full_;
  StepShape step_;  // with fewer micro-batches
  const CostModel& costs_;
  const OrderSearchOptions& options_;
  Schedule base_;
  Candidate best_;
  OrderReport report_;
};

std::string change(Seconds time, Seconds reference) {
  return fmt::format("{:+.1f} %", 100.0 * (time / reference - 1.0));
}

}  // namespace

const char* to_text(OrderExtension extension) {
  return kExtensionNames[index_of(extension)];
}

std::string to_text(const OrderReport& report) {
  std::string text =
      fmt::format("searched {}, fsmoe {} ({}), lower bound {} ({} above); alone:", to_text(report.best_time),
                  to_text(report.fsmoe_time), change(report.best_time, report.fsmoe_time), to_text(report.lower_bound),
                  change(report.best_time, report.lower_bound));
  for (int e = 0; e < kNumOrderExtensions; ++e) {
    const auto& time = report.alone[static_cast<std::size_t>(e)];
    text += fmt::format("{} {} {}", e == 0 ? "" : ",", to_text(OrderExtension(e)),
                        time ? change(*time, report.fsmoe_time) : "does not apply");
  }
  return text;
}

OrderedSchedule search_order(const StepShape& step, const CostModel& costs, const OrderSearchOptions& options) {
  return OrderSearch(step, CheckedCostModel(costs), options).run();
}

}  // namespace sextant
