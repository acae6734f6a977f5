#include "executor/transformer/collectives.h"

#include "models/error.h"

namespace sextant {
namespace {

// Binds the collectives of one group and queue.
template <typename T>
class CollectiveBinder {
 public:
  CollectiveBinder(TransformerState<T>& state, const Task& task)
      : state_(state), task_(task), group_(state.groups->get(task.group.value(), task.queue)) {}

  [[nodiscard]] TaskKernel bind() const {
    switch (task_.kind) {
      case TaskKind::kAttentionGather:
        return attention_gather();
      case TaskKind::kAttentionScatter:
        return attention_scatter();
      case TaskKind::kDispatch:
      case TaskKind::kExpertGather:
      case TaskKind::kExpertScatter:
      case TaskKind::kCombine:
        return chunk();
      case TaskKind::kBalanceReduce:
        return all_reduce(state_.activations(task_.micro_batch).balance.span());
      case TaskKind::kNormReduce:
        return all_reduce(state_.reduced.span());
      case TaskKind::kGradientReduce:
        return all_reduce(state_.parameters.gradients(*task_.group)
                              .subspan(static_cast<std::size_t>(task_.gradient_begin),
                                       static_cast<std::size_t>(task_.gradient_end - task_.gradient_begin)));
      default:
        SEXTANT_CHECK(false, "{} is no collective", task_name(task_));
    }
  }

 private:
  using Operation = void (Communicator::*)(Stream&, const void*, void*, std::size_t, DataType);

  [[nodiscard]] TaskKernel issue(Operation operation, const T* send, T* receive, std::int64_t count) const {
    return [&group = group_, operation, send, receive, count](Stream& stream) {
      if (count > 0) (group.*operation)(stream, send, receive, static_cast<std::size_t>(count), data_type_of<T>());
    };
  }

  template <typename U>
  [[nodiscard]] TaskKernel all_reduce(std::span<U> data) const {
    return [&group = group_, data](Stream& stream) {
      if (!data.empty()) group.all_reduce(stream, data.data(), data.size(), data_type_of<U>());
    };
  }

  // Forward: the layer's input. Backward: the gradient of the scattered output, adjoint of the scatter.
  [[nodiscard]] TaskKernel attention_gather() const {
    MicroBatchActivations<T>& a = state_.activations(task_.micro_batch);
    const auto layer = static_cast<std::size_t>(task_.layer);
    const bool forward = task_.phase == Phase::kForward;
    const bool reordered = state_.dims.slices().batch > 1;
    const T* send = forward ? a.x[layer].data() : a.residual_gradient.data();
    T* receive = forward && !reordered ? a.layers[layer].gathered.data() : a.whole.data();
    return issue(&Communicator::all_gather, send, receive, state_.dims.token_elements());
  }

  [[nodiscard]] TaskKernel attention_scatter() const {
    MicroBatchActivations<T>& a = state_.activations(task_.micro_batch);
    T* receive = task_.phase == Phase::kForward ? a.attended.data() : a.branch_gradient.data();
    return issue(&Communicator::reduce_scatter, a.whole.data(), receive, state_.dims.token_elements());
  }

  [[nodiscard]] TaskKernel chunk() const {
    const Dimensions& dims = state_.dims;
    const MicroBatchActivations<T>& a = state_.activations(task_.micro_batch);
    const ExchangeBuffers<T> buffers =
        task_.phase == Phase::kForward ? forward_exchange(dims, a, task_.layer) : backward_exchange(dims, a);
    const ChunkRange range = chunk_range(dims.route.capacity, task_.chunk, task_.num_chunks);
    const std::int64_t per_row = dims.route.experts * dims.model_dim();
    const std::int64_t begin = range.begin * per_row;
    const std::int64_t count = range.rows() * per_row;
    switch (task_.kind) {
      case TaskKind::kDispatch:
        return issue(&Communicator::all_to_all, buffers.sent + begin, buffers.received + begin, count / dims.ep);
      case TaskKind::kExpertGather:
        return issue(&Communicator::all_gather, buffers.received + begin, buffers.gathered + begin * dims.esp, count);
      case TaskKind::kExpertScatter:
        return issue(&Communicator::reduce_scatter, buffers.partial + begin * dims.esp, buffers.scattered + begin,
                     count);
      default:
        return issue(&Communicator::all_to_all, buffers.scattered + begin, buffers.result + begin, count / dims.ep);
    }
  }

  TransformerState<T>& state_;
  const Task& task_;
  Communicator& group_;
};

}  // namespace

template <typename T>
TaskKernel bind_collective(TransformerState<T>& state, const Task& task) {
  SEXTANT_CHECK(task.group.has_value(), "{} has no group", task_name(task));
  return CollectiveBinder<T>(state, task).bind();
}

template TaskKernel bind_collective(TransformerState<float>&, const Task&);
template TaskKernel bind_collective(TransformerState<double>&, const Task&);

}  // namespace sextant
