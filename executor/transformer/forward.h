// The compute tasks of the forward pass. Each runs to its end on the caller's thread.
#pragma once

#include "executor/transformer/state.h"
#include "planner/task_graph.h"

namespace sextant {

template <typename T>
class ForwardTasks {
 public:
  explicit ForwardTasks(TransformerState<T>& state) : state_(state) {}

  // The first micro-batch's also begins the step's sums.
  void embedding(const Task& task);
  void attention(const Task& task);
  void route(const Task& task);
  void experts(const Task& task);
  void unroute(const Task& task);
  void head(const Task& task);

 private:
  TransformerState<T>& state_;
};

}  // namespace sextant
