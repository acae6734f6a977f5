// Where one local expert's rows of one chunk lie.
#pragma once

#include "executor/layers/expert.h"
#include "executor/transformer/activations.h"
#include "executor/transformer/dimensions.h"
#include "executor/transformer/packing.h"
#include "planner/task_graph.h"

namespace sextant {

template <typename T>
class ExpertChunk {
 public:
  ExpertChunk(const Dimensions& dims, const Task& task, int local_expert)
      : dims_(dims), expert_(local_expert), range_(chunk_range(dims.route.capacity, task.chunk, task.num_chunks)) {}

  [[nodiscard]] ExpertShape shape() const {
    ExpertShape shape = dims_.expert;
    shape.rows = range_.rows() * dims_.rows_per_capacity();
    return shape;
  }
  [[nodiscard]] ExpertRows rows() const {
    return {.sources = dims_.ep * dims_.esp,
            .local_experts = dims_.local_experts,
            .expert = expert_,
            .rows = range_.rows(),
            .model_dim = dims_.model_dim()};
  }
  // The rows in a canonical buffer [local experts][T][sources][row_elements].
  [[nodiscard]] T* canonical(T* buffer, std::int64_t row_elements) const {
    return buffer + (expert_ * dims_.expert.rows + range_.begin * dims_.rows_per_capacity()) * row_elements;
  }
  // The chunk, all local experts, in a buffer behind the all-gather.
  [[nodiscard]] T* exchanged(T* buffer) const {
    return buffer + range_.begin * dims_.esp * dims_.route.experts * dims_.model_dim();
  }
  [[nodiscard]] ExpertBuffers<T> buffers(const LayerActivations<T>& kept, const Workspace<T>& workspace) const {
    return buffers_with(kept, workspace.expert.data());
  }
  // Where the halves of the backward run apart, the stash keeps the activated rows.
  [[nodiscard]] ExpertBuffers<T> buffers(const LayerActivations<T>& kept, const WeightGradientStash<T>& stash) const {
    return buffers_with(kept, canonical(stash.hidden.data(), dims_.expert.hidden_dim));
  }

 private:
  [[nodiscard]] ExpertBuffers<T> buffers_with(const LayerActivations<T>& kept, T* workspace) const {
    T* gate = kept.expert_saved_gate.data();
    return {.saved = canonical(kept.expert_saved.data(), dims_.expert.hidden_dim),
            .saved_gate = gate == nullptr ? nullptr : canonical(gate, dims_.expert.hidden_dim),
            .workspace = workspace};
  }

  const Dimensions& dims_;
  int expert_;
  ChunkRange range_;
};

}  // namespace sextant
