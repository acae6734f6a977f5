#include "planner/stage_choice.h"

#include "models/layer_times.h"
#include "models/setup_memory.h"
#include "models/stage_split.h"

namespace sextant {
namespace {

StageSplitProblem split_problem(const Network& network, const TrainingSetup& setup, const Cluster& cluster) {
  const FrameworkAssumptions framework;
  LayerTimes times = layer_times(network, setup, cluster, framework);
  if (pairs_passes(setup)) times = beside_other_direction(times, framework);
  StageSplitProblem problem{.last_stage = times.head.total(), .stages = setup.degrees.pp};
  problem.layer_times_L.assign(static_cast<std::size_t>(network.layers), times.moe.total());
  for (const int layer : network.dense.layers) {
    problem.layer_times_L[static_cast<std::size_t>(layer)] = times.dense.total();
  }
  return problem;
}

}  // namespace

std::optional<std::vector<int>> choose_stages(const Network& network, const TrainingSetup& setup,
                                              const Cluster& cluster, const std::optional<Bytes>& memory) {
  const std::vector<int> even = even_stages(network.layers, setup.degrees.pp);
  const StageMemory of_stages(network, setup);
  const auto fits = [&](const std::vector<int>& split) { return !memory || of_stages.largest_total(split) <= *memory; };
  std::vector<int> split = even;
  if (setup.degrees.pp > 1) {
    StageSplitProblem problem = split_problem(network, setup, cluster);
    split = least_slowest_stage(problem).value();
    if (!fits(split) && setup.pipeline != PipelineSchedule::kDualPipe) {
      problem.fits = [&](int stage, int begin, int end) { return of_stages.total({stage, begin, end}) <= *memory; };
      const auto smaller = least_slowest_stage(problem);
      if (!smaller) return std::nullopt;
      split = *smaller;
    }
  }
  if (!fits(split)) return std::nullopt;
  return split == even ? std::vector<int>() : split;
}

}  // namespace sextant
