#include "tests/validation/fsmoe_paper/layer_systems.h"

#include <algorithm>

namespace sextant::fsmoe_paper {
namespace {

std::vector<ChunkTimes> priced(const StepShape& step, const CostModel& costs, Pass pass, int max_degree) {
  std::vector<ChunkTimes> chunks;
  for (int degree = 1; degree <= max_degree; ++degree) chunks.push_back(chunk_times(step, costs, pass, degree));
  return chunks;
}

}  // namespace

LayerPlanner::LayerPlanner(const StepShape& step, const CostModel& costs, std::vector<int> degrees)
    : step_(step),
      degrees_(std::move(degrees)),
      forward_(priced(step, costs, Pass::kForward, degrees_.back())),
      backward_(priced(step, costs, Pass::kBackward, degrees_.back())),
      gradient_(gradient_elements(step, GroupKind::kDp, 1)) {
  const auto reduce = [&](std::int64_t elements) {
    return costs.collective(gradient_reduce_work(step, GroupKind::kDp, elements)).time;
  };
  reduce_whole_ = 2.0 * (reduce(gradient_) - reduce(gradient_ / 2));
  reduce_alpha_ = reduce(gradient_) - reduce_whole_;
  attention_ = costs.kernel(attention_work(step, Pass::kBackward)).time;
  dense_ = costs.kernel(unroute_work(step, Pass::kBackward)).time +
           costs.kernel(route_work(step, Pass::kBackward)).time + costs.collective(attention_gather_work(step)).time +
           attention_ + costs.collective(attention_scatter_work(step)).time;
}

const ChunkTimes& LayerPlanner::chunk(Pass pass, int degree) const {
  return (pass == Pass::kForward ? forward_ : backward_)[static_cast<std::size_t>(degree - 1)];
}

ChunkTimes LayerPlanner::merged_chunk(Pass pass, int degree) const {
  const BlockLines lines = this->lines(pass);
  const double dispatched = 2.0 / step_.layout.degrees().esp;  // 2 beta of a volume that is esp times as large
  const ChunkLine merged{lines.all_to_all.alpha + (lines.gather.alpha + lines.scatter.alpha) / 2.0,
                         lines.all_to_all.whole + dispatched * (lines.gather.whole + lines.scatter.whole)};
  return {.all_to_all = merged.at(degree), .gather = {}, .expert = lines.expert.at(degree), .scatter = {}};
}

Seconds LayerPlanner::reduce_time(std::int64_t elements) const {
  if (elements == 0) return Seconds(0.0);
  return reduce_alpha_ + reduce_whole_ * (static_cast<double>(elements) / static_cast<double>(gradient_));
}

// g(t) of the paper.
std::int64_t LayerPlanner::reducible_in(Seconds time) const {
  if (time <= reduce_alpha_) return 0;
  const double share = std::min((time - reduce_alpha_) / reduce_whole_, 1.0);
  return static_cast<std::int64_t>(share * static_cast<double>(gradient_));
}

template <typename ChunkAt>
int LayerPlanner::best_degree(ChunkAt chunk_at, Seconds gradient, BlockQueues queues) const {
  return *std::min_element(degrees_.begin(), degrees_.end(), [&](int a, int b) {
    return closed_form_time(chunk_at(a), a, gradient, queues) < closed_form_time(chunk_at(b), b, gradient, queues);
  });
}

// The degree and the slice in the block that together make the backward shortest. The time is piecewise
// linear in the slice with slopes 0 and 1, so an optimum is one of: nothing, everything, what the block
// hides, what the dense part does not hide.
LayerPlanner::Share LayerPlanner::partition(BlockQueues queues) const {
  const Seconds beside_dense = queues == BlockQueues::kThree ? dense_ : attention_;
  Share best;
  Seconds least(1e9);
  for (const int degree : degrees_) {
    const ChunkTimes& times = chunk(Pass::kBackward, degree);
    const Seconds hidden = gradient_window(times, degree, Seconds(0.0), queues);
    for (const std::int64_t in_block :
         {std::int64_t{0}, gradient_ - reducible_in(beside_dense), reducible_in(hidden), gradient_}) {
      const Seconds outside = std::max(reduce_time(gradient_ - in_block) - beside_dense, Seconds(0.0));
      const Seconds time = closed_form_time(times, degree, reduce_time(in_block), queues) + outside;
      if (time < least) {
        least = time;
        best = {degree, in_block};
      }
    }
  }
  return best;
}

LayerPlan LayerPlanner::plan(Policy policy, Belief belief) const {
  if (policy == Policy::kSequential) return {policy, {1, 1}, 0};
  const bool partitions = policy == Policy::kFsmoe || policy == Policy::kFsmoeNoIio;
  if (belief == Belief::kExact || policy == Policy::kFsmoe) {
    const BlockQueues queues = policy == Policy::kFsmoe ? BlockQueues::kThree : BlockQueues::kOneLink;
    const auto exactly = [&](Pass pass) {
      return best_degree([&](int r) { return chunk(pass, r); }, Seconds(0.0), queues);
    };
    const int forward = exactly(Pass::kForward);
    if (!partitions) return {policy, {forward, exactly(Pass::kBackward)}, 0};
    const Share share = partition(queues);
    return {policy, {forward, share.degree}, share.in_block};
  }
  const std::int64_t in_block = partitions ? partition(BlockQueues::kThree).in_block : 0;
  const auto merged = [&](Pass pass, Seconds gradient) {
    return best_degree([&](int r) { return merged_chunk(pass, r); }, gradient, BlockQueues::kOneLink);
  };
  return {policy, {merged(Pass::kForward, Seconds(0.0)), merged(Pass::kBackward, reduce_time(in_block))}, in_block};
}

int LayerPlanner::fsmoe_degree(Pass pass) const {
  return best_degree([&](int r) { return chunk(pass, r); }, Seconds(0.0), BlockQueues::kThree);
}

BlockLines LayerPlanner::lines(Pass pass) const {
  return block_lines([&](int r) { return chunk(pass, r); }, degrees_.back());
}

DegreeComparison LayerPlanner::compare(Pass pass) const {
  return compare_degrees([&](int r) { return chunk(pass, r); }, degrees_.back(), {});
}

}  // namespace sextant::fsmoe_paper
