#include "profiler/refit.h"

#include <algorithm>
#include <cmath>
#include <memory>
#include <set>
#include <tuple>
#include <utility>
#include <variant>

#include <fmt/format.h>

#include "models/cluster_correction.h"
#include "models/error.h"
#include "planner/observed_step.h"
#include "planner/schedule.h"
#include "planner/simulator.h"
#include "profiler/refit_unknown.h"

namespace sextant {
namespace {

constexpr double kRounding = 1e-6;  // relative: what adding up spans may lose
constexpr double kBeside = 0.01;    // of a task's span: less does not count as beside
constexpr double kMostFactor = 8.0;

bool is_off(Seconds predicted, const Spread& measured) {
  const double difference_s = std::abs((measured.mean - predicted).value());
  return difference_s > std::max(kRounding * predicted.value(), 2.0 * measured.error.value());
}

// The same where a single sample has no error of its own.
bool is_off(const CostEstimate& predicted, const Spread& measured) {
  if (measured.count > 1) return is_off(predicted.time, measured);
  const double slack = kRounding * predicted.time.value();
  return measured.mean.value() < predicted.low.value() - slack ||
         measured.mean.value() > predicted.high.value() + slack;
}

using SeriesKey = std::tuple<Operator, Pass, KernelShape>;

SeriesKey series_of(const KernelWork& work) {
  KernelShape shape = work.shape;
  shape.rows = 0;
  return {work.op, work.pass, shape};
}

std::string name_of(const Work& work) {
  if (const auto* kernel = std::get_if<KernelWork>(&work)) {
    return fmt::format("{} {}, {} rows", to_text(kernel->op), to_text(kernel->pass), kernel->shape.rows);
  }
  const auto& collective = std::get<CollectiveWork>(work);
  return fmt::format("{} {}x{}, {}", to_text(collective.op), collective.group.nodes, collective.group.ranks_per_node,
                     to_text(collective.buffer));
}

bool uses(const Task& task, Resource resource) {
  return std::find(task.uses.begin(), task.uses.end(), resource) != task.uses.end();
}

bool is_collective(const Task& task) {
  return std::holds_alternative<CollectiveWork>(task.work);
}

Seconds longest(const std::vector<Timeline>& ranks) {
  Seconds length(0.0);
  for (const Timeline& rank : ranks) length = std::max(length, rank.makespan());
  return length;
}

std::vector<Timeline> stretched(std::vector<Timeline> ranks, double factor) {
  for (Timeline& rank : ranks) {
    for (TaskSpan& span : rank.spans) span = {.start = factor * span.start, .end = factor * span.end};
  }
  return ranks;
}

// A term with the change that it stands for.
struct Change {
  RefitTerm term;
  ClusterCorrections corrections;
};

class Refitter {
 public:
  Refitter(const Plan& plan, const Cluster& cluster, const MeasuredStep& step)
      : cluster_(cluster),
        label_(fmt::format("refitted from run {} of {}", step.run, step.date)),
        graph_(build_step_graph(plan.step, plan.schedule)),
        costs_(make_cost_model(cluster)),
        before_(simulate(graph_, *costs_)),
        traced_(longest(step.ranks)),
        measured_(step.mean_step_time),
        observed_(observe_step(graph_, plan.step.layout, stretched(step.ranks, measured_ / traced_))) {}

  Refit run() {
    find_kernels_off();
    part_moved_ = part_of_shortfall_moved();
    refit_kernels();
    refit_collectives();
    refit_latency();
    refit_unknowns();
    return result();
  }

 private:
  // ---- what the run shows by itself ----

  [[nodiscard]] MeasuredPoint point_of(const Spread& spread) const {
    return {.median = spread.mean,
            .low = std::min(spread.low, spread.mean),
            .high = std::max(spread.high, spread.mean),
            .repeats = spread.count,
            .source = label_};
  }

  [[nodiscard]] static bool is_usable(const Spread& spread) { return spread.count > 0 && spread.mean > Seconds(0.0); }

  // Work that costs nothing is no work of the cost model.
  [[nodiscard]] bool is_priced(const Work& work) const { return costs_->cost(work).time > Seconds(0.0); }

  [[nodiscard]] const KernelWork* usable_kernel(const ObservedWork& work) const {
    const auto* kernel = std::get_if<KernelWork>(&work.work);
    return kernel != nullptr && is_usable(work.alone) && is_priced(work.work) ? kernel : nullptr;
  }

  // With one size of a series off, all its sizes take what the run showed: they are read together.
  void find_kernels_off() {
    for (const ObservedWork& work : observed_.works) {
      const KernelWork* kernel = usable_kernel(work);
      if (kernel == nullptr) continue;
      seen_alone_.insert(series_of(*kernel));
      if (is_off(costs_->cost(work.work), work.alone)) kernels_off_.insert(series_of(*kernel));
    }
  }

  void refit_kernels() {
    for (const ObservedWork& work : observed_.works) {
      const KernelWork* kernel = usable_kernel(work);
      if (kernel == nullptr) continue;
      const Seconds predicted = costs_->cost(work.work).time;
      Change change = number(name_of(work.work), predicted, work.alone);
      change.term.is_off = kernels_off_.contains(series_of(*kernel));
      if (change.term.is_off) {
        Spread spread = work.alone;
        spread.mean += part_moved_ * std::max(Seconds(0.0), predicted - spread.mean);
        change.term.new_value = spread.mean.value();
        change.corrections.kernels.push_back({*kernel, point_of(spread)});
      }
      keep(std::move(change));
    }
  }

  // ---- ranks that wait for a core ----
  // Where ranks share cores, one that has a core runs its kernel faster than the profile found, with all ranks at it,
  // and the others wait as much longer at the next collective. Such time goes back to the kernels, since it grows with
  // them and not with the number of collectives: as much of it as the kernels lack and the waits have too much.

  [[nodiscard]] double part_of_shortfall_moved() const {
    const Seconds lacking = shortfall_of_kernels();
    const Seconds waits = waits_beyond_prediction();
    if (!are_collectives_off() || lacking <= Seconds(0.0) || waits <= Seconds(0.0)) return 0.0;
    return std::min(1.0, waits / lacking);
  }

  // Over a rank's step; what kernels within their noise lack is taken from it, as these keep the prediction.
  [[nodiscard]] Seconds waits_beyond_prediction() const {
    Seconds waits = static_cast<double>(count_collectives()) * (waiting() - cluster_.synchronization);
    for (const ObservedWork& work : observed_.works) {
      const KernelWork* kernel = usable_kernel(work);
      if (kernel == nullptr || kernels_off_.contains(series_of(*kernel))) continue;
      waits -= static_cast<double>(work.tasks.size()) * (costs_->cost(work.work).time - work.alone.mean);
    }
    return waits;
  }

  // Over a rank's step.
  [[nodiscard]] Seconds shortfall_of_kernels() const {
    Seconds sum;
    for (const ObservedWork& work : observed_.works) {
      const auto* kernel = std::get_if<KernelWork>(&work.work);
      if (kernel == nullptr || !is_priced(work.work)) continue;
      if (seen_alone_.contains(series_of(*kernel))) {
        if (!kernels_off_.contains(series_of(*kernel)) || !is_usable(work.alone)) continue;
        const Seconds lacking = costs_->cost(work.work).time - work.alone.mean;
        sum += static_cast<double>(work.tasks.size()) * std::max(Seconds(0.0), lacking);
      } else {
        sum += shortfall_beside_others(work.tasks);
      }
    }
    return sum;
  }

  [[nodiscard]] Seconds shortfall_beside_others(const std::vector<TaskId>& tasks) const {
    const Unknown unknown{.tasks = tasks};
    return std::max(Seconds(0.0), simulated_sum(unknown, before_) - measured_sum(unknown, observed_));
  }

  [[nodiscard]] std::ptrdiff_t count_collectives() const {
    return std::count_if(graph_.tasks.begin(), graph_.tasks.end(),
                         [&](const Task& task) { return is_collective(task) && is_priced(task.work); });
  }

  // At a collective, with what hand-overs add to it.
  [[nodiscard]] Seconds waiting() const {
    const bool is_known = observed_.waiting.count > 0;
    return (is_known ? observed_.waiting.mean : cluster_.synchronization) + observed_.late_start;
  }

  // Spans are compared with their waits, as prediction and run may cut them differently.
  [[nodiscard]] bool are_collectives_off() const {
    const Spread& hand_over = observed_.hand_over;
    const Seconds noise = std::max(2.0 * hand_over.error, kRounding * measured_);
    if (hand_over.mean - hand_over.median > noise) return true;
    return std::any_of(observed_.works.begin(), observed_.works.end(), [&](const ObservedWork& work) {
      return std::holds_alternative<CollectiveWork>(work.work) && is_priced(work.work) &&
             is_usable(work.alone_with_waiting) && is_off(costs_->cost(work.work), work.alone_with_waiting);
    });
  }

  void refit_collectives() {
    const bool are_off = are_collectives_off();
    for (const ObservedWork& work : observed_.works) {
      const auto* collective = std::get_if<CollectiveWork>(&work.work);
      if (collective == nullptr || !is_usable(work.alone) || !is_priced(work.work)) continue;
      const bool with_waiting = !are_off && is_usable(work.alone_with_waiting);
      const Seconds waiting = with_waiting ? Seconds(0.0) : cluster_.synchronization;
      Change change = number(name_of(work.work), costs_->cost(work.work).time - waiting,
                             with_waiting ? work.alone_with_waiting : work.alone);
      change.term.is_off = are_off;
      if (are_off) change.corrections.collectives.push_back({*collective, point_of(work.alone)});
      keep(std::move(change));
    }
    if (are_off) refit_waiting();
  }

  void refit_waiting() {
    Spread measured = observed_.waiting;
    measured.mean = waiting();
    Change change = number("waiting at a collective", cluster_.synchronization, measured);
    const Seconds beyond = waits_beyond_prediction() - part_moved_ * shortfall_of_kernels();
    const Seconds left =
        std::max(Seconds(0.0), cluster_.synchronization + beyond / static_cast<double>(count_collectives()));
    change.term.is_off = is_off(cluster_.synchronization, {.mean = left});
    change.term.new_value = left.value();
    if (change.term.is_off) change.corrections.synchronization = left;
    keep(std::move(change));
  }

  void refit_latency() {
    if (observed_.hand_over.count == 0) return;
    Spread latency = observed_.hand_over;
    latency.mean = latency.median;
    Change change = number("hand-over between queues", cluster_.launch_latency, latency);
    // Differences of times of a step are no more exact than these.
    change.term.is_off = is_off(cluster_.launch_latency, latency) &&
                         std::abs((latency.mean - cluster_.launch_latency).value()) > 1e-9 * measured_.value();
    if (change.term.is_off) change.corrections.launch_latency = latency.mean;
    keep(std::move(change));
  }

  // A change whose number is what was measured.
  [[nodiscard]] static Change number(std::string name, Seconds predicted, const Spread& measured) {
    Change change;
    change.term.name = std::move(name);
    change.term.predicted = predicted;
    change.term.measured = measured.mean;
    change.term.samples = measured.count;
    change.term.old_value = predicted.value();
    change.term.new_value = measured.mean.value();
    return change;
  }

  void keep(Change change) {
    if (!change.term.is_off) change.term.new_value = change.term.old_value;
    merge(corrections_, change.corrections);
    changes_.push_back(std::move(change));
  }

  // ---- what only a simulation can tell apart ----

  void refit_unknowns() {
    std::vector<Unknown> unknowns = kernels_never_alone();
    for (Unknown& unknown : pairs_of_contention()) unknowns.push_back(std::move(unknown));
    if (std::optional<Unknown> share = compute_share()) unknowns.push_back(std::move(*share));
    find_unknowns(unknowns, {.graph = graph_, .observed = observed_, .cluster = cluster_, .known = corrections_});
    for (const Unknown& unknown : unknowns) keep_solved(unknown);
  }

  // Series that the run shows only beside other work.
  [[nodiscard]] std::vector<Unknown> kernels_never_alone() const {
    std::vector<Unknown> unknowns;
    std::set<SeriesKey> done;
    for (const ObservedWork& work : observed_.works) {
      const auto* kernel = std::get_if<KernelWork>(&work.work);
      if (kernel == nullptr || !is_priced(work.work)) continue;
      const SeriesKey key = series_of(*kernel);
      if (seen_alone_.contains(key) || !done.insert(key).second) continue;
      unknowns.push_back(kernel_series(key, *kernel));
    }
    return unknowns;
  }

  [[nodiscard]] Unknown kernel_series(const SeriesKey& key, const KernelWork& example) const {
    Unknown unknown{.name = fmt::format("{} {}, beside others", to_text(example.op), to_text(example.pass)),
                    .low = 0.05,
                    .high = 20.0};
    std::vector<KernelWork> works;
    for (const ObservedWork& work : observed_.works) {
      const auto* kernel = std::get_if<KernelWork>(&work.work);
      if (kernel == nullptr || series_of(*kernel) != key || !is_priced(work.work)) continue;
      works.push_back(*kernel);
      unknown.tasks.insert(unknown.tasks.end(), work.tasks.begin(), work.tasks.end());
      unknown.moved += part_moved_ * shortfall_beside_others(work.tasks);
    }
    unknown.corrections = [this, works](double factor) {
      ClusterCorrections corrections;
      for (const KernelWork& work : works) {
        const CostEstimate old = costs_->kernel(work);
        corrections.kernels.push_back({work,
                                       {.median = factor * old.time,
                                        .low = factor * std::min(old.low, old.time),
                                        .high = factor * std::max(old.high, old.time),
                                        .repeats = 1,
                                        .source = label_}});
      }
      return corrections;
    };
    return unknown;
  }

  // Tasks on `victim` beside which others used `aggressor`.
  [[nodiscard]] std::vector<TaskId> tasks_beside(Resource victim, Resource aggressor) const {
    std::vector<TaskId> tasks;
    for (std::size_t id = 0; id < graph_.tasks.size(); ++id) {
      const Task& task = graph_.tasks[id];
      const bool is_beside = observed_.beside[id][static_cast<std::size_t>(aggressor)] > kBeside;
      if (uses(task, victim) && !uses(task, aggressor) && is_beside) tasks.push_back(static_cast<TaskId>(id));
    }
    return tasks;
  }

  [[nodiscard]] Contention pair_in_cluster(Resource victim, Resource aggressor) const {
    for (const Contention& pair : cluster_.contention) {
      if (pair.victim == victim && pair.aggressor == aggressor) return pair;
    }
    return {.victim = victim, .aggressor = aggressor};
  }

  // Links beside work, and whatever else the cluster knows a slow-down of. Kernels beside links only where the cluster
  // says nothing of the compute that collectives take.
  [[nodiscard]] std::vector<Unknown> pairs_of_contention() const {
    std::vector<std::pair<Resource, Resource>> pairs;
    const auto add = [&](Resource victim, Resource aggressor) {
      if (std::find(pairs.begin(), pairs.end(), std::pair(victim, aggressor)) == pairs.end()) {
        pairs.emplace_back(victim, aggressor);
      }
    };
    for (const Resource link : {Resource::kIntra, Resource::kInter}) {
      add(link, Resource::kCompute);
      if (!takes_compute()) add(Resource::kCompute, link);
    }
    for (const Contention& pair : cluster_.contention) add(pair.victim, pair.aggressor);
    std::vector<Unknown> unknowns;
    for (const auto& [victim, aggressor] : pairs) add_pair(unknowns, pair_in_cluster(victim, aggressor));
    return unknowns;
  }

  void add_pair(std::vector<Unknown>& unknowns, const Contention& pair) const {
    const std::vector<TaskId> tasks = tasks_beside(pair.victim, pair.aggressor);
    if (tasks.empty()) return;
    const std::string name = fmt::format("{} beside {}", to_text(pair.victim), to_text(pair.aggressor));
    unknowns.push_back({.name = name + ", factor",
                        .tasks = tasks,
                        .low = pair.delay > Seconds(0.0) ? 0.0 : 1.0,
                        .high = kMostFactor,
                        .old_value = pair.factor,
                        .corrections = [pair](double strength) {
                          const Contention slowed = at_strength(pair, strength);
                          return ClusterCorrections{.contention = {{.victim = pair.victim,
                                                                    .aggressor = pair.aggressor,
                                                                    .factor = slowed.factor,
                                                                    .delay = slowed.delay}}};
                        }});
  }

  // One number for factor and delay: from 1 on the factor, below it a factor of 1 and this part of the delay.
  [[nodiscard]] static Contention at_strength(Contention pair, double strength) {
    pair.factor = std::max(1.0, strength);
    if (strength < 1.0) pair.delay = strength * pair.delay;
    return pair;
  }

  [[nodiscard]] bool takes_compute() const {
    return std::any_of(graph_.tasks.begin(), graph_.tasks.end(), [&](const Task& task) {
      return is_collective(task) && costs_->cost(task.work).compute_share > 0.0;
    });
  }

  // From kernels whose time alone is known.
  [[nodiscard]] std::optional<Unknown> compute_share() const {
    if (!takes_compute()) return std::nullopt;
    std::set<TaskId> tasks;
    for (const Resource link : {Resource::kIntra, Resource::kInter}) {
      for (const TaskId task : tasks_beside(Resource::kCompute, link)) {
        const auto* kernel = std::get_if<KernelWork>(&graph_.tasks[static_cast<std::size_t>(task)].work);
        if (kernel != nullptr && seen_alone_.contains(series_of(*kernel))) tasks.insert(task);
      }
    }
    if (tasks.empty()) return std::nullopt;
    return Unknown{.name = "compute that collectives take, factor",
                   .tasks = {tasks.begin(), tasks.end()},
                   .low = 0.0,
                   .high = 10.0,
                   .corrections = [](double factor) {
                     ClusterCorrections corrections;
                     corrections.compute_share_factor = factor;
                     return corrections;
                   }};
  }

  // A strength below 1 is told by what it leaves of the delay.
  void tell_delay(Change& change) const {
    const ContentionCorrection& pair = change.corrections.contention.front();
    change.term.name = fmt::format("{} beside {}, factor 1 and delay", to_text(pair.victim), to_text(pair.aggressor));
    change.term.unit = RefitTerm::Unit::kSeconds;
    change.term.old_value = pair_in_cluster(pair.victim, pair.aggressor).delay.value();
    change.term.new_value = pair.delay->value();
  }

  void keep_solved(const Unknown& unknown) {
    const auto count = static_cast<double>(unknown.tasks.size());
    Change change;
    change.term = {.name = unknown.name,
                   .predicted = simulated_sum(unknown, before_) / count,
                   .measured = measured_sum(unknown, observed_) / count,
                   .samples = static_cast<int>(unknown.tasks.size()),
                   .is_off = unknown.value != unknown.old_value,
                   .unit = RefitTerm::Unit::kFactor,
                   .old_value = unknown.old_value,
                   .new_value = unknown.value};
    if (change.term.is_off) change.corrections = unknown.corrections(unknown.value);
    if (unknown.value < 1.0 && !change.corrections.contention.empty()) tell_delay(change);
    keep(std::move(change));
  }

  // ---- the answer ----

  [[nodiscard]] MeasuredPoint old_point(const Work& work) const {
    const bool is_kernel = std::holds_alternative<KernelWork>(work);
    const Seconds time = costs_->cost(work).time - (is_kernel ? Seconds(0.0) : cluster_.synchronization);
    return {.median = time, .low = time, .high = time, .repeats = 1};
  }

  // The change without what it does to other sizes of its series that the run showed too.
  [[nodiscard]] ClusterCorrections isolated(const Change& change) const {
    ClusterCorrections corrections = change.corrections;
    for (const KernelCorrection& own : change.corrections.kernels) {
      for (const KernelCorrection& other : corrections_.kernels) {
        const bool is_other = series_of(other.work) == series_of(own.work) && other.work.shape != own.work.shape;
        if (is_other) corrections.kernels.push_back({other.work, old_point(other.work)});
      }
    }
    for (const CollectiveCorrection& own : change.corrections.collectives) {
      for (const CollectiveCorrection& other : corrections_.collectives) {
        const bool is_series = other.work.op == own.work.op && other.work.group == own.work.group;
        if (is_series && other.work.buffer != own.work.buffer) {
          corrections.collectives.push_back({other.work, old_point(other.work)});
        }
      }
    }
    return corrections;
  }

  // On the predicted step.
  [[nodiscard]] Seconds effect_of(const Change& change) const {
    const std::unique_ptr<CostModel> costs = make_cost_model(corrected(cluster_, isolated(change)));
    return simulate(graph_, *costs).makespan() - before_.makespan();
  }

  [[nodiscard]] Refit result() {
    Refit refit{.cluster = corrected(cluster_, corrections_),
                .terms = {},
                .measured = measured_,
                .traced = traced_,
                .before = before_.makespan()};
    bool any_off = false;
    for (Change& change : changes_) {
      if (change.term.is_off) change.term.effect = effect_of(change);
      any_off = any_off || change.term.is_off;
      refit.terms.push_back(std::move(change.term));
    }
    if (any_off) refit.cluster.source += "; " + label_;
    refit.after = simulate(graph_, *make_cost_model(refit.cluster)).makespan();
    return refit;
  }

  const Cluster& cluster_;
  std::string label_;
  TaskGraph graph_;
  std::unique_ptr<CostModel> costs_;
  Timeline before_;
  Seconds traced_;
  Seconds measured_;
  ObservedStep observed_;
  std::set<SeriesKey> seen_alone_;
  std::set<SeriesKey> kernels_off_;
  double part_moved_ = 0.0;  // of what kernels lack, from the waits
  ClusterCorrections corrections_;
  std::vector<Change> changes_;
};

}  // namespace

bool Refit::is_worse() const {
  const auto distance = [&](Seconds predicted) { return std::abs((predicted - measured).value()); };
  return distance(after) > distance(before) + kRounding * measured.value();
}

std::optional<RefitTerm> Refit::most_wrong() const {
  const auto most = std::max_element(terms.begin(), terms.end(), [](const RefitTerm& a, const RefitTerm& b) {
    return std::abs(a.effect.value()) < std::abs(b.effect.value());
  });
  if (most == terms.end() || !most->is_off) return std::nullopt;
  return *most;
}

Refit refit(const Plan& plan, const Cluster& cluster, const MeasuredStep& step) {
  return Refitter(plan, cluster, step).run();
}

}  // namespace sextant
