#include "executor/transformer/state.h"

#include "models/error.h"

namespace sextant {
namespace {

const StepShape& require_runnable(const StepShape& step, const World& world, SourcePartition sources) {
  validate(step);
  const ParallelDegrees& degrees = step.layout.degrees();
  if (degrees.pp != 1)
    throw ConfigError(fmt::format("pp is {}; the executor runs one pipeline stage: allowed is 1", degrees.pp));
  if (degrees.cp != 1)
    throw ConfigError(fmt::format("cp is {}; the executor does not cut attention: allowed is 1", degrees.cp));
  if (step.layout.world_size() != world.size()) {
    throw ConfigError(
        fmt::format("the layout is for {} ranks, this job has {}", step.layout.world_size(), world.size()));
  }
  const bool alone = world.size() == 1;
  SEXTANT_CHECK(sources.dp * sources.tp == 1 || alone, "only a single rank can stand for {} x {} sources", sources.dp,
                sources.tp);
  SEXTANT_CHECK(step.micro_batch % sources.dp == 0 && step.sequence % sources.tp == 0,
                "{} samples of {} tokens do not divide among {} x {} sources", step.micro_batch, step.sequence,
                sources.dp, sources.tp);
  return step;
}

// Source of token (b, l): that of the rank (b's replica, l's slice of the sequence).
std::vector<std::int32_t> sources_of_tokens(const StepShape& step, SourcePartition sources) {
  std::vector<std::int32_t> source;
  if (sources.dp * sources.tp == 1) return source;
  for (std::int64_t b = 0; b < step.micro_batch; ++b) {
    for (std::int64_t l = 0; l < step.sequence; ++l) {
      const std::int64_t replica = b / (step.micro_batch / sources.dp);
      const std::int64_t slice = l / (step.sequence / sources.tp);
      source.push_back(static_cast<std::int32_t>(replica * sources.tp + slice));
    }
  }
  return source;
}

template <typename T>
std::vector<MicroBatchActivations<T>> make_slots(Device& device, const Dimensions& dims,
                                                 const OverlapOptions& overlap) {
  std::vector<MicroBatchActivations<T>> slots;
  for (int i = 0; i < overlap.micro_batches_in_flight; ++i) {
    slots.emplace_back(device, dims, overlap.split_expert_backward);
  }
  return slots;
}

}  // namespace

template <typename T>
TransformerState<T>::TransformerState(const StepShape& step_shape, World& world, std::uint64_t seed,
                                      const TransformerOptions& options)
    : step(require_runnable(step_shape, world, options.sources)),
      dims(dimensions_of(step, options.sources)),
      tp_index(step.layout.index_in_group(GroupKind::kTp, world.rank())),
      optimizer(options.optimizer),
      groups(options.groups ? options.groups : std::make_shared<LayoutGroups>(world, step.layout)),
      parameters(step, world.rank(), world.device(), seed),
      weights(bind_weights(parameters, dims,
                           step.layout.index_in_group(GroupKind::kEp, world.rank()) * dims.local_experts)),
      source(sources_of_tokens(step, options.sources)),
      slots(make_slots<T>(world.device(), dims, options.overlap)),
      workspace(world.device(), dims, step.network.rope_theta),
      orders(static_cast<std::size_t>(dims.layers)),
      reduced(world.device(), kNumReduced) {
  SEXTANT_CHECK(groups->layout() == step.layout, "groups of {} for a step on {}", to_text(groups->layout().degrees()),
                to_text(step.layout.degrees()));
}

template struct TransformerState<float>;
template struct TransformerState<double>;

}  // namespace sextant
