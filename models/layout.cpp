#include "models/layout.h"

#include <algorithm>

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {
namespace {

// Ranks of one group within its stage: the axes of one grid, of which the group keeps `inner` fixed
// (ranks that differ only there are in other groups) and runs over `size` values of its own axis.
//   position in stage = (outer * size + index) * stride + inner,  0 <= inner < stride
struct Axis {
  int size = 1;
  int stride = 1;
};

Axis axis_of(GroupKind kind, const ParallelDegrees& d) {
  switch (kind) {
    case GroupKind::kTp:
      return {.size = d.tp, .stride = 1};
    case GroupKind::kDp:
      return {.size = d.dp * d.cp, .stride = d.tp};
    case GroupKind::kEsp:
      return {.size = d.esp, .stride = 1};
    case GroupKind::kEp:
      return {.size = d.ep, .stride = d.esp};
    case GroupKind::kEdp:
      return {.size = d.edp, .stride = d.ep * d.esp};
    case GroupKind::kStage:
      return {.size = d.dp * d.cp * d.tp, .stride = 1};
  }
  SEXTANT_CHECK(false, "group kind {}", static_cast<int>(kind));
}

void require_positive(const char* name, int value) {
  if (value < 1) throw ConfigError(fmt::format("{} is {}; allowed: 1 or more", name, value));
}

void require_positive(const ParallelDegrees& d) {
  const struct {
    const char* name;
    int value;
  } entries[] = {{"pp", d.pp}, {"dp", d.dp}, {"cp", d.cp}, {"tp", d.tp}, {"edp", d.edp}, {"ep", d.ep}, {"esp", d.esp}};
  for (const auto& entry : entries) require_positive(entry.name, entry.value);
}

// Product in 64 bits that cannot wrap: degrees are below 2^31, so it stops growing beyond any world.
std::int64_t product(std::initializer_list<int> factors) {
  constexpr std::int64_t kBeyondAnyWorld = std::int64_t{1} << 32;
  std::int64_t result = 1;
  for (const int factor : factors) result = std::min(result * factor, kBeyondAnyWorld);
  return result;
}

void require_world_size(const ParallelDegrees& d, const Topology& t) {
  const std::int64_t world_size = product({t.nodes, t.devices_per_node});
  if (product({d.pp, d.dp, d.cp, d.tp}) != world_size) {
    throw ConfigError(fmt::format(
        "pp {} x dp {} x cp {} x tp {} = {}, but there are nodes {} x devices_per_node {} = "
        "{} ranks",
        d.pp, d.dp, d.cp, d.tp, product({d.pp, d.dp, d.cp, d.tp}), t.nodes, t.devices_per_node, world_size));
  }
  if (product({d.pp, d.edp, d.ep, d.esp}) != world_size) {
    throw ConfigError(fmt::format(
        "pp {} x edp {} x ep {} x esp {} = {}, but there are nodes {} x devices_per_node {} = "
        "{} ranks",
        d.pp, d.edp, d.ep, d.esp, product({d.pp, d.edp, d.ep, d.esp}), t.nodes, t.devices_per_node, world_size));
  }
}

// Nodes spanned and the most ranks in one of them. REQUIRES: ranks ascending.
GroupShape shape_of(const std::vector<int>& ranks, const Topology& topology) {
  GroupShape shape{.nodes = 0, .ranks_per_node = 0};
  int node = -1;
  int in_node = 0;
  for (const int rank : ranks) {
    if (topology.node_of(rank) != node) {
      node = topology.node_of(rank);
      ++shape.nodes;
      in_node = 0;
    }
    shape.ranks_per_node = std::max(shape.ranks_per_node, ++in_node);
  }
  return shape;
}

GroupShape widest_shape(const ParallelLayout& layout, GroupKind kind) {
  const Topology& topology = layout.topology();
  // Groups that begin at the same place in a node have the same shape.
  std::vector<bool> is_seen(static_cast<std::size_t>(topology.devices_per_node), false);
  GroupShape widest;
  for (int rank = 0; rank < layout.world_size(); ++rank) {
    const auto place = static_cast<std::size_t>(rank % topology.devices_per_node);
    if (is_seen[place] || layout.index_in_group(kind, rank) != 0) continue;
    is_seen[place] = true;
    widest = std::max(widest, shape_of(layout.group_ranks(kind, rank), topology));  // nodes first, then ranks in one
  }
  return widest;
}

}  // namespace

void require_valid(const Topology& topology) {
  require_positive("nodes", topology.nodes);
  require_positive("devices_per_node", topology.devices_per_node);
  if (product({topology.nodes, topology.devices_per_node}) > kMaxRanks) {
    throw ConfigError(fmt::format("nodes {} x devices_per_node {} is too large; allowed: at most 2^24 ranks",
                                  topology.nodes, topology.devices_per_node));
  }
}

const char* to_text(GroupKind kind) {
  switch (kind) {
    case GroupKind::kTp:
      return "tp";
    case GroupKind::kDp:
      return "dp";
    case GroupKind::kEp:
      return "ep";
    case GroupKind::kEsp:
      return "esp";
    case GroupKind::kEdp:
      return "edp";
    case GroupKind::kStage:
      return "stage";
  }
  SEXTANT_CHECK(false, "group kind {}", static_cast<int>(kind));
}

ParallelLayout::ParallelLayout(const ParallelDegrees& degrees, const Topology& topology)
    : degrees_(degrees), topology_(topology) {
  require_valid(topology);
  require_positive(degrees);
  require_world_size(degrees, topology);
  for (int kind = 0; kind < kNumGroupKinds; ++kind) {
    shapes_[static_cast<std::size_t>(kind)] = widest_shape(*this, static_cast<GroupKind>(kind));
  }
}

int ParallelLayout::group_size(GroupKind kind) const {
  return axis_of(kind, degrees_).size;
}

int ParallelLayout::index_in_group(GroupKind kind, int rank) const {
  SEXTANT_CHECK(rank >= 0 && rank < world_size(), "rank {} of {}", rank, world_size());
  const Axis axis = axis_of(kind, degrees_);
  // The size of a stage is a multiple of size * stride, so the stage drops out of the remainder.
  return rank / axis.stride % axis.size;
}

std::vector<int> ParallelLayout::group_ranks(GroupKind kind, int rank) const {
  const Axis axis = axis_of(kind, degrees_);
  const int first = rank - index_in_group(kind, rank) * axis.stride;
  std::vector<int> ranks(static_cast<std::size_t>(axis.size));
  for (int i = 0; i < axis.size; ++i) ranks[static_cast<std::size_t>(i)] = first + i * axis.stride;
  return ranks;
}

std::string to_text(const ParallelDegrees& degrees) {
  std::string text;
  if (degrees.pp > 1) text += fmt::format("pp{} ", degrees.pp);
  text += fmt::format("dp{} ", degrees.dp);
  if (degrees.cp > 1) text += fmt::format("cp{} ", degrees.cp);
  text += fmt::format("tp{} | edp{} ep{} esp{}", degrees.tp, degrees.edp, degrees.ep, degrees.esp);
  return text;
}

}  // namespace sextant
