#include "profiler/collective_benchmark.h"

#include <algorithm>
#include <map>
#include <memory>

#include "executor/device_buffer.h"
#include "models/error.h"
#include "profiler/processor.h"

namespace sextant {
namespace {

constexpr std::size_t kElementBytes = sizeof(float);

// Ranks of one colour form a group.
using Colors = std::vector<int>;  // [rank]

// One way to cut the ranks into groups for every group shape of more than one rank.
std::map<GroupShape, Colors> group_shapes(const Topology& topology) {
  std::map<GroupShape, Colors> shapes;
  const int ranks = topology.num_ranks();
  for (int inner = 1; inner <= ranks; ++inner) {
    for (int size = 2; size * inner <= ranks; ++size) {
      if (ranks % (size * inner) != 0) continue;
      // A group of `size` ranks with stride `inner`: the ep axis of edp x ep x esp with esp = inner.
      const ParallelLayout layout({.dp = ranks, .edp = ranks / size / inner, .ep = size, .esp = inner}, topology);
      Colors colors;
      for (int rank = 0; rank < ranks; ++rank) colors.push_back(layout.group_ranks(GroupKind::kEp, rank).front());
      shapes.try_emplace(layout.group_shape(GroupKind::kEp), std::move(colors));
    }
  }
  return shapes;
}

void issue(Collective op, Communicator& group, Stream& stream, float* send, float* receive, std::size_t elements) {
  const std::size_t share = elements / static_cast<std::size_t>(group.size());
  switch (op) {
    case Collective::kAllToAll:
      return group.all_to_all(stream, send, receive, share, DataType::kFloat32);
    case Collective::kAllGather:
      return group.all_gather(stream, send, receive, share, DataType::kFloat32);
    case Collective::kReduceScatter:
      return group.reduce_scatter(stream, send, receive, share, DataType::kFloat32);
    case Collective::kAllReduce:
      return group.all_reduce(stream, receive, elements, DataType::kFloat32);
  }
}

}  // namespace

int count_collective_measurements(const Topology& topology, const CollectiveBenchmarkOptions& options) {
  return static_cast<int>(group_shapes(topology).size() * options.buffers.size()) * kNumCollectives;
}

std::vector<CollectiveSeries> measure_collectives(World& world, const CollectiveBenchmarkOptions& options,
                                                  const std::function<void(const std::string&)>& on_measurement) {
  SEXTANT_CHECK(!options.buffers.empty(), "no buffer sizes");
  const auto stream = world.device().make_stream("profile");
  const auto largest =
      static_cast<std::int64_t>(options.buffers.back().value()) / static_cast<std::int64_t>(kElementBytes);
  const DeviceBuffer<float> send(world.device(), largest), receive(world.device(), largest);
  const ComputeShareBenchmark shares(world, options.cores_per_rank);
  std::vector<CollectiveSeries> result;
  for (const auto& [shape, colors] : group_shapes(world.topology())) {
    const auto group = world.communicator().split(colors[static_cast<std::size_t>(world.rank())]);
    for (int op = 0; op < kNumCollectives; ++op) {
      CollectiveSeries series{.op = Collective(op), .group = shape, .points = {}, .line = {}, .source = {}};
      for (const Bytes buffer : options.buffers) {
        on_measurement(
            fmt::format("{} {}x{} {}", to_text(series.op), shape.nodes, shape.ranks_per_node, to_text(buffer)));
        const auto elements = static_cast<std::size_t>(buffer.value()) / kElementBytes;
        const auto slots = static_cast<std::size_t>(largest) / elements;
        const auto call = [&, next = std::size_t{0}](Stream& s) mutable {
          const std::size_t offset = next++ % slots * elements;
          issue(series.op, *group, s, send.data() + offset, receive.data() + offset, elements);
        };
        CollectivePoint point{.buffer = buffer, .time = measure(world, *stream, call, options.repeat)};
        point.compute_share = shares.measure(*stream, call, point.time.median, options.repeat);
        series.points.push_back(point);
      }
      result.push_back(std::move(series));
    }
  }
  return result;
}

}  // namespace sextant
