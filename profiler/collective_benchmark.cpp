#include "profiler/collective_benchmark.h"

#include <algorithm>
#include <map>
#include <memory>
#include <utility>

#include "executor/device_buffer.h"
#include "models/error.h"
#include "models/statistics.h"
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

CollectiveBenchmark::CollectiveBenchmark(const Topology& topology, CollectiveBenchmarkOptions options)
    : options_(std::move(options)), shapes_(group_shapes(topology)) {
  SEXTANT_CHECK(!options_.buffers.empty(), "no buffer sizes");
}

int CollectiveBenchmark::num_measurements() const {
  return static_cast<int>(shapes_.size() * options_.buffers.size()) * kNumCollectives;
}

void CollectiveBenchmark::run_round(World& world, const std::function<void(const std::string&)>& on_measurement) {
  const auto stream = world.device().make_stream("profile");
  const auto largest =
      static_cast<std::int64_t>(options_.buffers.back().value()) / static_cast<std::int64_t>(kElementBytes);
  const DeviceBuffer<float> send(world.device(), largest), receive(world.device(), largest);
  const ComputeShareBenchmark shares(world, options_.cores_per_rank);
  for (const auto& [shape, colors] : shapes_) {
    const auto group = world.communicator().split(colors[static_cast<std::size_t>(world.rank())]);
    for (int i = 0; i < kNumCollectives; ++i) {
      const auto op = Collective(i);
      for (const Bytes buffer : options_.buffers) {
        on_measurement(fmt::format("{} {}x{} {}", to_text(op), shape.nodes, shape.ranks_per_node, to_text(buffer)));
        const auto elements = static_cast<std::size_t>(buffer.value()) / kElementBytes;
        const auto slots = static_cast<std::size_t>(largest) / elements;
        const auto call = [&, next = std::size_t{0}](Stream& s) mutable {
          const std::size_t offset = next++ % slots * elements;
          issue(op, *group, s, send.data() + offset, receive.data() + offset, elements);
        };
        Measured& measured = series_[{shape, op}][buffer];
        measured.call.run(world, *stream, call, options_.repeat);
        const Seconds alone = measured.call.point().median;
        measured.compute_shares.push_back(shares.measure(*stream, call, alone, options_.repeat));
      }
    }
  }
}

std::vector<CollectiveSeries> CollectiveBenchmark::series() const {
  std::vector<CollectiveSeries> result;
  for (const auto& [key, measured_by_buffer] : series_) {
    CollectiveSeries series{.op = key.second, .group = key.first, .points = {}, .line = {}, .source = {}};
    for (const auto& [buffer, measured] : measured_by_buffer) {
      series.points.push_back(
          {.buffer = buffer, .time = measured.call.point(), .compute_share = quantile(measured.compute_shares, 0.5)});
    }
    result.push_back(std::move(series));
  }
  return result;
}

}  // namespace sextant
