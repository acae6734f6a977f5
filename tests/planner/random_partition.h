// Small partition problems whose optimum can be found by enumeration.
#pragma once

#include <cmath>
#include <limits>
#include <random>

#include "planner/gradient_partition_problem.h"

namespace sextant {

struct RandomPartitionShape {
  int positions = 2;
  int degrees = 3;
  int groups = 1;
  int most_elements = 3;     // of a unit
  bool alike = false;        // all blocks with the same options
  bool aligned = false;      // every time is a multiple of an element's: whole elements fill any room
  double element_s = 0.125;  // about: an element's transfer time
  int num_micro_batches = 1;
};

// Times in seconds around 1, every layer different unless `alike`; more degrees take longer and leave
// more room, as pipeline degrees below the fastest do, or are worse in both.
class RandomPartition {
 public:
  RandomPartition(std::mt19937& random, const RandomPartitionShape& shape) : random_(random), shape_(shape) {}

  PartitionProblem make() {
    problem_.num_micro_batches = shape_.num_micro_batches;
    problem_.block_links = inter();
    for (int p = 0; p < shape_.positions; ++p) {
      if (p == 0 || !shape_.alike) problem_.kinds.push_back(block());
      problem_.kind.push_back(static_cast<int>(problem_.kinds.size()) - 1);
      if (p + 1 < shape_.positions) problem_.dense.push_back(dense());
    }
    problem_.head = Seconds(uniform(0.5, 1.0));
    problem_.lead_in = Seconds(uniform(0.0, 0.2));
    problem_.tail = tail();
    for (int g = 0; g < shape_.groups; ++g) problem_.groups[static_cast<std::size_t>(g)] = group();
    return problem_;
  }

 private:
  static LinkSet inter() { return 1U << static_cast<unsigned>(Resource::kInter); }
  static LinkSet intra() { return 1U << static_cast<unsigned>(Resource::kIntra); }
  double uniform(double low, double high) {
    const double value = std::uniform_real_distribution<double>(low, high)(random_);
    return shape_.aligned ? std::round(value / shape_.element_s) * shape_.element_s : value;
  }

  std::vector<BlockOption> block() {
    std::vector<BlockOption> options;
    double time = uniform(1.0, 2.0), room = uniform(0.0, 1.0);
    for (int r = 1; r <= shape_.degrees; ++r) {
      BlockOption option{r, {Seconds(time), {}}, {}};
      option.cost.path.fill(Seconds(time - room));
      option.busy[static_cast<std::size_t>(Resource::kInter)] = Seconds(0.8 * (time - room));
      options.push_back(option);
      time += uniform(0.0, 0.4);
      room += uniform(-0.1, 0.8);
    }
    return options;
  }

  DenseCost dense() {
    const double time = uniform(0.2, 1.0);
    DenseCost dense{{Seconds(time), {}}, Seconds(0.9 * time), {}};
    dense.cost.path.fill(Seconds(uniform(-0.05, 0.1)));
    return dense;
  }

  TailCost tail() {
    const double gathered = uniform(0.0, 0.2), hop = uniform(0.0, 0.05);
    return {.gathered = Seconds(gathered),
            .attended = Seconds(gathered + uniform(0.2, 1.0)),
            .scatter = Seconds(uniform(0.0, 0.2)),
            .embedding = Seconds(uniform(0.0, 0.3)),
            .launch_latency = Seconds(hop),
            .links_free = Seconds(-hop),
            .attention_links = random_() % 3 == 0   ? inter()
                               : random_() % 2 == 0 ? intra()
                                                    : 0U};
  }

  ReductionGroup group() {
    const double element_s = shape_.aligned ? shape_.element_s : uniform(0.4, 4.0) * shape_.element_s;
    ReductionGroup group{true, inter(), ReductionCost::affine(Seconds(uniform(0.0, 0.3)), Seconds(element_s)), {}};
    std::int64_t ready = elements();
    for (int p = 0; p < shape_.positions; ++p) {
      group.ready.push_back(ready);
      if (experts_) ready += elements();
      group.ready.push_back(ready);
      if (!experts_) ready += elements();
    }
    group.ready.push_back(ready);
    group.ready.push_back(experts_ ? ready : ready + 1 + elements());
    experts_ = random_() % 2 == 0;  // of the next group
    return group;
  }

  std::int64_t elements() {
    return static_cast<std::int64_t>(random_() % static_cast<unsigned>(shape_.most_elements + 1));
  }

  std::mt19937& random_;
  RandomPartitionShape shape_;
  PartitionProblem problem_;
  bool experts_ = false;
};

// The least backward time over all partitions, by trying every one. Degrees are chosen last: given the
// slices, each block's best one is independent of the others.
class PartitionEnumeration {
 public:
  explicit PartitionEnumeration(const PartitionProblem& problem) : problem_(problem) {
    partition_.options.assign(static_cast<std::size_t>(problem.num_positions()), 0);
    partition_.elements.assign(static_cast<std::size_t>(problem.num_slots()), {});
  }

  Seconds least() {
    visit(0, 0);
    return least_;
  }

 private:
  void visit(std::size_t group, int slot) {
    if (group == problem_.groups.size()) return evaluate();
    if (!problem_.groups[group].exists) return visit(group + 1, 0);
    const std::int64_t waiting = problem_.groups[group].ready[static_cast<std::size_t>(slot)] - issued_[group];
    const bool last = slot == problem_.num_slots() - 1;
    for (std::int64_t elements = last ? waiting : 0; elements <= waiting; ++elements) {
      partition_.elements[static_cast<std::size_t>(slot)][group] = elements;
      issued_[group] += elements;
      last ? visit(group + 1, 0) : visit(group, slot + 1);
      issued_[group] -= elements;
    }
  }

  void evaluate() {
    for (int p = 0; p < problem_.num_positions(); ++p) {
      double best = std::numeric_limits<double>::infinity();
      for (std::size_t j = 0; j < problem_.options(p).size(); ++j) {
        const SlotCost& cost = problem_.options(p)[j].cost;
        const Seconds sliced =
            slot_time(cost, slot_load(problem_, partition_.elements[static_cast<std::size_t>(2 * p)]));
        const double time = ((problem_.num_micro_batches - 1) * cost.time + sliced).value();
        if (time >= best) continue;
        best = time;
        partition_.options[static_cast<std::size_t>(p)] = static_cast<int>(j);
      }
    }
    least_ = std::min(least_, backward_time(problem_, partition_));
  }

  const PartitionProblem& problem_;
  Partition partition_;
  PerGroup<std::int64_t> issued_{};
  Seconds least_ = Seconds(std::numeric_limits<double>::infinity());
};

}  // namespace sextant
