#include "planner/gradient_partition_exact.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <utility>

#include "models/error.h"
#include "planner/backlog_problem.h"
#include "planner/gradient_partition.h"

namespace sextant {
namespace {

using Elements = PerGroup<std::int64_t>;

std::int64_t arriving(const ReductionGroup& group, int slot) {
  const auto s = static_cast<std::size_t>(slot);
  return s == 0 ? group.ready[0] : group.ready[s] - group.ready[s - 1];
}

// The seconds of a backward that no choice changes: everything but blocks and the last tail.
double constant_seconds(const PartitionProblem& problem) {
  Seconds once = problem.head + problem.lead_in;
  for (const DenseCost& dense : problem.dense) once += dense.cost.time;
  return (problem.num_micro_batches * once + (problem.num_micro_batches - 1) * problem.tail.embedded()).value();
}

// ---- what is common to both bounds: work of some groups in seconds of a link ----

class Work {
 public:
  template <typename Counts>
  Work(const PartitionProblem& problem, const Counts& counts) : problem_(problem) {
    for (std::size_t g = 0; g < problem.groups.size(); ++g) {
      if (problem.groups[g].exists && counts(problem.groups[g])) members_.push_back(g);
    }
  }

  [[nodiscard]] const std::vector<std::size_t>& members() const { return members_; }
  [[nodiscard]] const ReductionGroup& group(std::size_t member) const { return problem_.groups[member]; }

  // Work whose gradients exist from `slot` on but not before.
  [[nodiscard]] double arriving_s(int slot) const {
    double work = 0.0;
    for (const std::size_t g : members_) {
      work += group(g).cost.per_element().value() * static_cast<double>(arriving(group(g), slot));
    }
    return work;
  }

  // Every group with gradients of its own in the last slot has a slice there ...
  [[nodiscard]] double late_alphas_s() const {
    double alphas = 0.0;
    for (const std::size_t g : members_) {
      if (arriving(group(g), problem_.num_slots() - 1) > 0) alphas += group(g).cost.alpha().value();
    }
    return alphas;
  }
  // ... and one whose last gradients are those of layer 0 has one in the tail.
  [[nodiscard]] double early_alphas_s() const {
    double alphas = 0.0;
    for (const std::size_t g : members_) {
      const bool is_last = arriving(group(g), problem_.num_slots() - 1) == 0;
      if (is_last && arriving(group(g), problem_.num_slots() - 2) > 0) alphas += group(g).cost.alpha().value();
    }
    return alphas;
  }

  [[nodiscard]] double least_alpha_s() const {
    double alpha = std::numeric_limits<double>::infinity();
    for (const std::size_t g : members_) alpha = std::min(alpha, group(g).cost.alpha().value());
    return alpha;
  }

  // Which groups can have a slice in `slot`, as bits.
  [[nodiscard]] unsigned present(int slot) const {
    unsigned groups = 0;
    for (const std::size_t g : members_) {
      if (group(g).ready[static_cast<std::size_t>(slot)] > 0) groups |= 1U << g;
    }
    return groups;
  }

  // Most work of the groups `present` that a part hides.
  [[nodiscard]] double capacity_s(const SlotCost& part, unsigned present) const {
    double capacity = 0.0;
    for (const std::size_t g : members_) {
      if ((present >> g & 1U) == 0) continue;
      capacity = std::max(capacity, (part.time - part.path[g] - group(g).cost.alpha()).value());
    }
    return capacity;
  }

 private:
  const PartitionProblem& problem_;
  std::vector<std::size_t> members_;
};

// ---- bound 1: slots ----

// The tail's time when `backlog_s` of work waits at layer 0's attention. Exact for one group.
class TailBound {
 public:
  TailBound(const PartitionProblem& problem, const Work& work) : tail_(problem.tail) {
    const int slots = problem.num_slots();
    early_ = work.arriving_s(slots - 2);
    late_ = work.arriving_s(slots - 1);
    alpha_ = work.least_alpha_s();
    early_alpha_ = work.early_alphas_s();
    late_alpha_ = work.late_alphas_s();
    behind_attention_ = tail_.attention_links != 0;
    for (const std::size_t g : work.members()) {
      behind_attention_ = behind_attention_ && (work.group(g).links & tail_.attention_links) != 0;
    }
  }

  [[nodiscard]] double at(double backlog_s) const {
    double best = finish(backlog_s, 0.0);
    if (backlog_s > 0.0) best = std::min(best, finish(backlog_s, backlog_s));
    if (behind_attention_) best = std::min(best, finish(backlog_s, std::min(backlog_s, fitting())));
    return best;
  }

  // Below at(): every second of the backlog costs one.
  [[nodiscard]] double floor() const {
    double floor = embedded();
    if (late_ > 0.0) floor = std::max(floor, embedded() + 2.0 * hop() + late_ + late_alpha_);
    if (early_ + late_ > 0.0)
      floor = std::max(floor, attended() + 2.0 * hop() + early_alpha_ + early_ + late_ + late_alpha_);
    return floor;
  }
  [[nodiscard]] double offset() const {
    return start() + (behind_attention_ ? tail_.scatter.value() : 0.0) + early_alpha_ + early_ + late_ + late_alpha_ +
           hop();
  }

 private:
  [[nodiscard]] double hop() const { return tail_.launch_latency.value(); }
  [[nodiscard]] double attended() const { return tail_.attended.value(); }
  [[nodiscard]] double embedded() const { return tail_.embedded().value(); }
  [[nodiscard]] double start() const { return behind_attention_ ? tail_.gathered.value() : tail_.links_free.value(); }
  [[nodiscard]] double fitting() const { return std::max(0.0, attended() + hop() - start() - alpha_); }

  // `beside` of the backlog is issued beside the attention, the rest at the earlier or the later tail.
  [[nodiscard]] double finish(double backlog, double beside) const {
    double link = start() + (beside > 0.0 ? alpha_ + beside : 0.0);
    double end = embedded();
    if (behind_attention_) {
      link = std::max(link, attended() + hop()) + tail_.scatter.value();
      end = link + hop() + tail_.embedding.value();
    }
    const double rest = backlog - beside + early_;
    const double reduced = std::min(apart(link, end, rest), together(link, end, rest));
    return std::max(end, reduced + hop());
  }
  [[nodiscard]] double apart(double link, double embedded_at, double rest) const {
    if (rest > 0.0) link = std::max(link, attended() + hop()) + std::max(alpha_, early_alpha_) + rest;
    return late_ > 0.0 ? std::max(link, embedded_at + hop()) + late_alpha_ + late_ : link;
  }
  [[nodiscard]] double together(double link, double embedded_at, double rest) const {
    if (rest + late_ <= 0.0) return link;
    return std::max(link, embedded_at + hop()) + std::max(alpha_, early_alpha_ + late_alpha_) + rest + late_;
  }

  const TailCost& tail_;
  double early_ = 0.0;
  double late_ = 0.0;
  double alpha_ = 0.0;
  double early_alpha_ = 0.0;
  double late_alpha_ = 0.0;
  bool behind_attention_ = false;  // every group waits for the attention's collectives
};

// Adds the layers' kind with the capacities that the groups `present` have in it.
int add_kind(BacklogProblem& backlog, const PartitionProblem& problem, const Work& work,
             const std::vector<BlockOption>& options, unsigned present) {
  backlog.kinds.emplace_back();
  for (const BlockOption& option : options) {
    backlog.kinds.back().push_back(
        {problem.num_micro_batches * option.cost.time.value(), work.capacity_s(option.cost, present)});
  }
  return static_cast<int>(backlog.kinds.size()) - 1;
}

BacklogProblem slot_bound(const PartitionProblem& problem, const Work& work, const TailBound& tail) {
  BacklogProblem backlog;
  std::map<std::pair<int, unsigned>, int> kinds;  // by kind and groups present
  for (int p = 0; p < problem.num_positions(); ++p) {
    const int kind = problem.kind[static_cast<std::size_t>(p)];
    const unsigned present = work.present(2 * p);
    const auto [entry, is_new] = kinds.try_emplace({kind, present}, 0);
    if (is_new) entry->second = add_kind(backlog, problem, work, problem.options(p), present);
    const bool last = p == problem.num_positions() - 1;
    const double dense =
        last ? 0.0 : work.capacity_s(problem.dense[static_cast<std::size_t>(p)].cost, work.present(2 * p + 1));
    backlog.layers.push_back({entry->second, work.arriving_s(2 * p), work.arriving_s(2 * p + 1), dense});
  }
  backlog.terminal = [&tail](double backlog_s) { return tail.at(backlog_s); };
  backlog.terminal_floor_s = tail.floor();
  backlog.terminal_offset_s = tail.offset();
  return backlog;
}

// ---- bound 2: load of one link ----

BacklogProblem load_bound(const PartitionProblem& problem, const Work& work, Resource link) {
  const auto q = static_cast<std::size_t>(link);
  BacklogProblem backlog;
  for (const auto& options : problem.kinds) {
    backlog.kinds.emplace_back();
    for (const BlockOption& option : options) {
      backlog.kinds.back().push_back({problem.num_micro_batches * option.cost.time.value(),
                                      std::max(0.0, (option.cost.time - option.busy[q]).value())});
    }
  }
  for (int p = 0; p < problem.num_positions(); ++p) {
    // A layer's gradients exist at the end of its attention, those of its experts inside its block:
    // here both count from the end of the attention above, earlier than they can.
    Seconds before = problem.lead_in;
    if (p > 0) {
      const DenseCost& above = problem.dense[static_cast<std::size_t>(p - 1)];
      before = std::max(Seconds(0.0), above.cost.time - above.attended - above.busy[q]);
    }
    const bool last = p == problem.num_positions() - 1;
    const Seconds attended = last ? problem.tail.attended : problem.dense[static_cast<std::size_t>(p)].attended;
    backlog.layers.push_back({problem.kind[static_cast<std::size_t>(p)],
                              work.arriving_s(2 * p) + work.arriving_s(2 * p + 1) - before.value(), 0.0,
                              attended.value()});
  }
  const int slots = problem.num_slots();
  const double late = work.arriving_s(slots - 1) + work.late_alphas_s();
  const double both = problem.tail.attended.value() + work.arriving_s(slots - 2) + late;
  backlog.terminal_floor_s = std::max(problem.tail.embedded().value() + late, both);
  backlog.terminal_offset_s = both;
  backlog.terminal = [floor = backlog.terminal_floor_s, both](double backlog_s) {
    return std::max(floor, both + backlog_s);
  };
  return backlog;
}

// ---- from degrees to a partition ----

// What waits at layer 0's attention goes beside it (nothing, what fits, all), the rest with the gradients
// of layer 0 or with those of the embedding: whichever ends first.
class TailChoice {
 public:
  TailChoice(const PartitionProblem& problem, Partition& partition)
      : problem_(problem), partition_(partition), slot_(static_cast<std::size_t>(problem.num_slots()) - 3) {
    const Elements& beside = partition.elements[slot_];
    for (std::size_t g = 0; g < all_.size(); ++g) {
      const ReductionGroup& group = problem.groups[g];
      if (!group.exists) continue;
      late_[g] = group.total() - group.ready[slot_ + 1];
      early_[g] = group.ready[slot_ + 1] - group.ready[slot_];
      all_[g] = beside[g] + partition.elements[slot_ + 1][g] + partition.elements[slot_ + 2][g] - early_[g] - late_[g];
    }
  }

  void improve() {
    const Elements fits = partition_.elements[slot_];
    for (const Elements& beside : {all_, fits, Elements{}}) {
      for (const bool together : {true, false}) take_if_shorter(beside, together);
    }
  }

 private:
  void take_if_shorter(const Elements& beside, bool together) {
    Elements early{}, late = late_;
    for (std::size_t g = 0; g < all_.size(); ++g) {
      const std::int64_t rest = all_[g] - beside[g] + early_[g];
      (together ? late : early)[g] += rest;
    }
    const Seconds time = tail_time(problem_, beside, early, late);
    if (time >= best_) return;
    best_ = time;
    partition_.elements[slot_] = beside;
    partition_.elements[slot_ + 1] = early;
    partition_.elements[slot_ + 2] = late;
  }

  const PartitionProblem& problem_;
  Partition& partition_;
  std::size_t slot_;  // beside layer 0's attention
  Elements all_{}, early_{}, late_{};
  Seconds best_ = Seconds(std::numeric_limits<double>::infinity());
};

class ExactSearch {
 public:
  explicit ExactSearch(const PartitionProblem& problem)
      : problem_(problem),
        num_groups_(std::count_if(problem.groups.begin(), problem.groups.end(),
                                  [](const ReductionGroup& group) { return group.exists; })) {
    result_.time = Seconds(std::numeric_limits<double>::infinity());
  }

  ExactPartition run() {
    result_.bound = unreduced_time();
    candidates_.push_back(fastest_options(problem_));
    bound_by_slots();
    for (const Resource link : {Resource::kInter, Resource::kIntra}) bound_by_load(link);
    std::sort(candidates_.begin(), candidates_.end());
    candidates_.erase(std::unique(candidates_.begin(), candidates_.end()), candidates_.end());
    for (const std::vector<int>& options : candidates_) try_options(options);
    result_.bound = std::min(result_.bound, result_.time);
    return std::move(result_);
  }

 private:
  // The backward without reductions.
  [[nodiscard]] Seconds unreduced_time() const {
    Seconds time = Seconds(constant_seconds(problem_)) + problem_.tail.embedded();
    const std::vector<int> fastest = fastest_options(problem_);
    for (int p = 0; p < problem_.num_positions(); ++p) {
      const auto option = static_cast<std::size_t>(fastest[static_cast<std::size_t>(p)]);
      time += problem_.num_micro_batches * problem_.options(p)[option].cost.time;
    }
    return time;
  }

  void bound_by_slots() {
    const Work work(problem_, [&](const ReductionGroup& group) { return (group.links & problem_.block_links) != 0; });
    if (work.members().empty()) return;
    const TailBound tail(problem_, work);
    take(solve(slot_bound(problem_, work, tail)));
  }

  void bound_by_load(Resource link) {
    const auto bit = 1U << static_cast<unsigned>(link);
    const Work work(problem_, [&](const ReductionGroup& group) { return (group.links & bit) != 0; });
    if (!work.members().empty()) take(solve(load_bound(problem_, work, link)));
  }

  void take(BacklogSolution solution) {
    result_.bound = std::max(result_.bound, Seconds(constant_seconds(problem_) + solution.bound_s));
    result_.states += solution.states;
    candidates_.push_back(std::move(solution.options));
  }

  void try_options(const std::vector<int>& options) {
    using Order = FillRule::Order;
    for (const Order order : {Order::kGroups, Order::kLongest, Order::kMostHidden}) {
      for (const bool skip_short : {false, true}) {
        try_rule(options, {order, skip_short});
        if (num_groups_ < 2 || is_proved()) return;
      }
    }
  }

  [[nodiscard]] bool is_proved() const { return result_.time <= result_.bound * (1.0 + 1e-9); }

  // Fills the windows at these degrees, then those at the degrees that the slices suggest.
  void try_rule(const std::vector<int>& options, FillRule rule) {
    Partition partition{options, {}};
    for (int round = 0; round < 2; ++round) {
      const std::vector<int> before = partition.options;
      partition = fill_windows(problem_, before, rule);
      TailChoice(problem_, partition).improve();
      improve_degrees(problem_, partition);
      const Seconds time = backward_time(problem_, partition);
      if (time < result_.time) {
        result_.time = time;
        result_.partition = partition;
      }
      if (partition.options == before) return;
    }
  }

  const PartitionProblem& problem_;
  long num_groups_;
  ExactPartition result_;
  std::vector<std::vector<int>> candidates_;
};

}  // namespace

ExactPartition partition_exactly(const PartitionProblem& problem) {
  return ExactSearch(problem).run();
}

}  // namespace sextant
