// One pipelined MoE block as a task graph, built here a second time so that planner/step_graph.cpp,
// planner/simulator.cpp and the closed forms of planner/moe_block.cpp have something to be checked against.
#pragma once

#include <algorithm>
#include <cmath>
#include <random>

#include "planner/moe_block.h"
#include "tests/planner/hand_graph.h"

namespace sextant {

// Chunk times in whole seconds; symbols of planner/moe_block.h.
struct HandBlock {
  std::int64_t all_to_all = 0;
  std::int64_t gather = 0;
  std::int64_t expert = 0;
  std::int64_t scatter = 0;
  int degree = 1;
  std::int64_t gradient = 0;        // 0: no slice
  std::int64_t gradient_ready = 0;  // seconds from the start of the block
  BlockQueues queues = BlockQueues::kThree;

  [[nodiscard]] ChunkTimes chunk() const {
    const auto seconds = [](std::int64_t count) { return Seconds(static_cast<double>(count)); };
    return {seconds(all_to_all), seconds(gather), seconds(expert), seconds(scatter)};
  }
};

// D_i A_i, the slice, E_i, S_i C_i between a compute task of no length before and one after.
inline TaskGraph block_graph(const HandBlock& block) {
  TaskGraph graph;
  const bool serial = block.queues == BlockQueues::kSerial;
  const Resource network = serial ? Resource::kCompute : Resource::kInter;
  const Resource local = block.queues == BlockQueues::kThree ? Resource::kIntra : network;
  const TaskId input = append(graph, Resource::kCompute, 0);
  std::vector<TaskId> last(static_cast<std::size_t>(block.degree), input);
  for (TaskId& task : last) {
    task = append(graph, network, block.all_to_all, {task});
    task = append(graph, local, block.gather, {task});
  }
  if (block.gradient > 0) {
    const TaskId ready = append(graph, Resource::kHost, block.gradient_ready);
    append(graph, network, block.gradient, {ready});
  }
  for (TaskId& task : last) task = append(graph, Resource::kCompute, block.expert, {task});
  for (TaskId& task : last) {
    task = append(graph, local, block.scatter, {task});
    task = append(graph, network, block.all_to_all, {task});
  }
  append(graph, Resource::kCompute, 0, last);
  return graph;
}

// Random blocks whose chunk times differ by up to 10^4, so that every path becomes the critical one.
class RandomBlocks {
 public:
  explicit RandomBlocks(std::uint64_t seed) : engine_(seed) {}

  HandBlock next() {
    HandBlock block{.all_to_all = duration(),
                    .gather = duration(),
                    .expert = duration(),
                    .scatter = duration(),
                    .degree = std::uniform_int_distribution<int>(1, 16)(engine_)};
    if (coin()) block.scatter = block.gather;
    if (coin()) block.gradient = duration() * block.degree;
    const int queues = std::uniform_int_distribution<int>(0, 5)(engine_);
    if (queues == 4) block.queues = BlockQueues::kOneLink;
    if (queues == 5) block.queues = BlockQueues::kSerial;
    return block;
  }

  // 1 to 10,000 s, uniform in the logarithm.
  std::int64_t duration() {
    return static_cast<std::int64_t>(std::pow(10.0, std::uniform_real_distribution<double>(0.0, 4.0)(engine_)));
  }
  bool coin() { return std::bernoulli_distribution(0.5)(engine_); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace sextant
