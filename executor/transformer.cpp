#include "executor/transformer.h"

#include <cmath>
#include <numbers>

#include "executor/transformer/backward.h"
#include "executor/transformer/collectives.h"
#include "executor/transformer/forward.h"
#include "executor/transformer/state.h"
#include "executor/transformer/update.h"
#include "models/error.h"

namespace sextant {

double learning_rate_at(const OptimizerOptions& options, std::int64_t step) {
  if (step < options.warmup_steps) return options.learning_rate * static_cast<double>(step + 1) / options.warmup_steps;
  if (options.total_steps <= options.warmup_steps) return options.learning_rate;
  const double done = static_cast<double>(step - options.warmup_steps) / (options.total_steps - options.warmup_steps);
  const double cosine = 0.5 * (1.0 + std::cos(std::numbers::pi * std::min(done, 1.0)));
  return options.min_learning_rate + (options.learning_rate - options.min_learning_rate) * cosine;
}

template <typename T>
struct Transformer<T>::Impl {
  Impl(const StepShape& step, World& world, std::uint64_t seed, const TransformerOptions& options)
      : state(step, world, seed, options) {}

  [[nodiscard]] std::function<void()> compute_task(const Task& task);
  template <typename Tasks>
  [[nodiscard]] std::function<void()> pass_task(Tasks& tasks, const Task& task);
  void remember_degree(const Task& task);

  TransformerState<T> state;
  ForwardTasks<T> forward{state};
  BackwardTasks<T> backward{state};
};

template <typename T>
template <typename Tasks>
std::function<void()> Transformer<T>::Impl::pass_task(Tasks& tasks, const Task& task) {
  switch (task.kind) {
    case TaskKind::kEmbedding:
      return [&tasks, task] { tasks.embedding(task); };
    case TaskKind::kAttention:
      return [&tasks, task] { tasks.attention(task); };
    case TaskKind::kRoute:
      return [&tasks, task] { tasks.route(task); };
    case TaskKind::kExpert:
      remember_degree(task);
      return [&tasks, task] { tasks.experts(task); };
    case TaskKind::kUnroute:
      return [&tasks, task] { tasks.unroute(task); };
    case TaskKind::kHead:
      return [&tasks, task] { tasks.head(task); };
    default:
      SEXTANT_CHECK(false, "{} is no compute task of a pass", task_name(task));
  }
}

template <typename T>
std::function<void()> Transformer<T>::Impl::compute_task(const Task& task) {
  if (task.kind == TaskKind::kGradientNorm) return [this] { squared_gradient_norm(state); };
  if (task.kind == TaskKind::kOptimizer) return [this] { update_parameters(state); };
  if (task.kind == TaskKind::kExpertWeightGradient) return [this, task] { backward.expert_weights(task); };
  return task.phase == Phase::kForward ? pass_task(forward, task) : pass_task(backward, task);
}

// The order of a layer's rows follows from the number of its chunks. Rows that do not travel stay in
// the experts' own order, of which any chunk is a part.
template <typename T>
void Transformer<T>::Impl::remember_degree(const Task& task) {
  LayerOrder& order = state.orders.at(static_cast<std::size_t>(task.layer));
  OrderLayout& layout = task.phase == Phase::kForward ? order.forward : order.backward;
  const int num_chunks = state.dims.exchanges() ? task.num_chunks : 1;
  if (layout.num_chunks() != num_chunks) layout = OrderLayout(state.dims.route, num_chunks);
}

template <typename T>
Transformer<T>::Transformer(const StepShape& step, World& world, std::uint64_t seed, const TransformerOptions& options)
    : impl_(std::make_unique<Impl>(step, world, seed, options)) {}

template <typename T>
Transformer<T>::~Transformer() = default;

template <typename T>
void Transformer<T>::set_batch(std::span<const std::int32_t> inputs, std::span<const std::int32_t> targets) {
  const StepShape& step = impl_->state.step;
  const auto samples = static_cast<std::size_t>(step.num_micro_batches * step.micro_batch);
  const auto sequence = static_cast<std::size_t>(step.sequence);
  SEXTANT_CHECK(inputs.size() == samples * sequence && targets.size() == inputs.size(),
                "{} inputs and {} targets for {} x {} tokens", inputs.size(), targets.size(), samples, sequence);
  const auto slice = static_cast<std::size_t>(impl_->state.dims.sequence_slice);
  const auto first = slice * static_cast<std::size_t>(impl_->state.tp_index);
  const auto take = [&](std::span<const std::int32_t> from, std::vector<std::int32_t>& to) {
    to.clear();
    for (std::size_t sample = 0; sample < samples; ++sample) {
      const auto part = from.subspan(sample * sequence + first, slice);
      to.insert(to.end(), part.begin(), part.end());
    }
  };
  take(inputs, impl_->state.batch.inputs);
  take(targets, impl_->state.batch.targets);
}

template <typename T>
TaskKernel Transformer<T>::bind(const Task& task) {
  if (task.group.has_value()) return bind_collective(impl_->state, task);
  return [body = impl_->compute_task(task)](Stream& stream) { stream.enqueue(body); };
}

template <typename T>
StepResult Transformer<T>::result() const {
  const TransformerState<T>& state = impl_->state;
  const double micro_batches = state.step.num_micro_batches;
  const double choices = static_cast<double>(state.dims.tokens() * state.dims.route.top_k) * state.dims.layers;
  StepResult result;
  result.loss = state.reduced.data()[TransformerState<T>::kLoss] / (state.dims.global_tokens * micro_batches);
  result.auxiliary_loss = state.sums.auxiliary_loss / (state.dims.layers * micro_batches);
  result.gradient_norm = std::sqrt(state.reduced.data()[TransformerState<T>::kSquaredNorm]);
  result.learning_rate = state.sums.learning_rate;
  result.dropped_fraction = static_cast<double>(state.sums.dropped) / (choices * micro_batches);
  return result;
}

template <typename T>
const std::vector<Parameter>& Transformer<T>::parameters() const {
  return impl_->state.parameters.parameters();
}

template <typename T>
std::span<T> Transformer<T>::value(const Parameter& parameter) const {
  return impl_->state.parameters.value(parameter);
}

template <typename T>
std::span<const T> Transformer<T>::gradient(const Parameter& parameter) const {
  return impl_->state.parameters.gradient(parameter);
}

template <typename T>
std::span<T> Transformer<T>::first_moment(const Parameter& parameter) const {
  return impl_->state.parameters.first_moment(parameter);
}

template <typename T>
std::span<T> Transformer<T>::second_moment(const Parameter& parameter) const {
  return impl_->state.parameters.second_moment(parameter);
}

template <typename T>
std::int64_t Transformer<T>::step() const {
  return impl_->state.num_updates;
}

template <typename T>
void Transformer<T>::set_step(std::int64_t step) {
  impl_->state.num_updates = step;
}

template class Transformer<float>;
template class Transformer<double>;

}  // namespace sextant
