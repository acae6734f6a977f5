#include "planner/moe_block.h"

#include <algorithm>
#include <vector>

namespace sextant {
namespace {

bool shares_link(const GroupShape& a, const GroupShape& b) {
  return (a.uses_inter() && b.uses_inter()) || (a.uses_intra() && b.uses_intra());
}

// Clock of one FIFO queue.
struct Queue {
  Seconds free_at;
  // Runs a task that is ready at `ready`; tasks of no length do not exist (groups of one rank).
  Seconds run(Seconds ready, Seconds length) {
    if (length == Seconds(0.0)) return ready;
    free_at = std::max(free_at, ready) + length;
    return free_at;
  }
};

}  // namespace

BlockQueues block_queues(const StepShape& step, Policy policy) {
  if (policy == Policy::kSequential) return BlockQueues::kSerial;
  const bool disjoint = !shares_link(step.layout.group_shape(GroupKind::kEp), step.layout.group_shape(GroupKind::kEsp));
  return has_link_queues(policy) && disjoint ? BlockQueues::kThree : BlockQueues::kOneLink;
}

ChunkTimes chunk_times(const StepShape& step, const CostModel& costs, Pass pass, int degree) {
  const std::int64_t rows = step.capacity() / degree, longer_parts = step.capacity() % degree;
  const auto part = [&](std::int64_t part_rows) {
    return ChunkTimes{costs.collective(dispatch_work(step, part_rows)).time,
                      costs.collective(expert_gather_work(step, part_rows)).time,
                      costs.kernel(expert_work(step, pass, part_rows)).time,
                      costs.collective(expert_scatter_work(step, part_rows)).time};
  };
  if (longer_parts == 0) return part(rows);
  const double weight = static_cast<double>(longer_parts) / degree;
  const ChunkTimes shorter = part(rows), longer = part(rows + 1);
  const auto mean = [&](Seconds ChunkTimes::*task) { return (1.0 - weight) * shorter.*task + weight * longer.*task; };
  return {mean(&ChunkTimes::all_to_all), mean(&ChunkTimes::gather), mean(&ChunkTimes::expert),
          mean(&ChunkTimes::scatter)};
}

Seconds block_time(const ChunkTimes& chunk, int degree, const BlockOptions& options, BlockQueues queues) {
  if (queues == BlockQueues::kSerial) return closed_form_time(chunk, degree, options.gradient, queues);
  Queue network, second_link, compute;
  Queue& local = queues == BlockQueues::kThree ? second_link : network;
  const Seconds hop = options.launch_latency;
  const Seconds link_hop = queues == BlockQueues::kThree ? hop : Seconds(0.0);
  // A task waits one hop for a predecessor in another queue; a predecessor that does not exist costs none.
  const auto after = [](Seconds end, Seconds length, Seconds latency) {
    return length == Seconds(0.0) ? end : end + latency;
  };
  std::vector<Seconds> done(static_cast<std::size_t>(degree));
  const bool communicates = chunk.all_to_all > Seconds(0.0) || chunk.gather > Seconds(0.0);
  const Seconds first = communicates ? hop : Seconds(0.0);  // the block's input comes from the compute queue
  for (auto& end : done) {
    end = network.run(first, chunk.all_to_all);
    end = local.run(after(end, chunk.all_to_all, chunk.gather > Seconds(0.0) ? link_hop : Seconds(0.0)), chunk.gather);
  }
  network.run(options.gradient_ready, options.gradient);
  for (auto& end : done) end = compute.run(communicates ? end + hop : end, chunk.expert);
  Seconds finish;
  for (auto& end : done) {
    const bool scatters = chunk.scatter > Seconds(0.0);
    const bool combines = chunk.all_to_all > Seconds(0.0);
    if (scatters) end = local.run(end + hop, chunk.scatter);
    if (combines) end = network.run(end + (scatters ? link_hop : hop), chunk.all_to_all);
    finish = std::max(finish, end + (scatters || combines ? hop : Seconds(0.0)));
  }
  return finish;
}

Seconds gradient_window(const ChunkTimes& chunk, int degree, Seconds launch_latency, BlockQueues queues) {
  const double r = degree;
  Seconds busy = 2.0 * r * chunk.all_to_all;
  if (queues == BlockQueues::kOneLink) busy += r * (chunk.gather + chunk.scatter);
  if (queues == BlockQueues::kSerial) return Seconds(0.0);
  const BlockOptions options{.gradient = {}, .gradient_ready = {}, .launch_latency = launch_latency};
  return std::max(block_time(chunk, degree, options, queues) - busy, Seconds(0.0));
}

}  // namespace sextant
