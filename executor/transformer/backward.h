// The compute tasks of the backward pass, in the order in which they run: head, then for every layer
// from the last unroute, experts, route, attention, then the embedding.
//
// Gradients of parameters are summed over chunks and micro-batches. In the first micro-batch the first
// task of a unit of gradients clears it, and the first chunk of the experts replaces theirs, so that the
// last step's can be read until then.
#pragma once

#include "executor/transformer/state.h"
#include "planner/task_graph.h"

namespace sextant {

template <typename T>
class BackwardTasks {
 public:
  explicit BackwardTasks(TransformerState<T>& state) : state_(state) {}

  void head(const Task& task);
  void unroute(const Task& task);
  void experts(const Task& task);         // whole or, by the task's pass, the input gradient only
  void expert_weights(const Task& task);  // the other half
  void route(const Task& task);
  void attention(const Task& task);
  void embedding(const Task& task);

 private:
  void begin_unit(const Task& task, int unit);
  void expert_input_gradients(const Task& task);
  // Where the weight gradients of one expert go; the first chunk of a step replaces what is there.
  ExpertGradients<T> expert_gradients(const Task& task, std::size_t expert) const;
  // Adds the layer's term to the step's sum; returns the gradient of the objective with respect to the
  // gate probabilities, the same for every token.
  std::vector<double> auxiliary_loss(const Task& task);

  TransformerState<T>& state_;
};

}  // namespace sextant
