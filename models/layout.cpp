#include "models/layout.h"

#include <algorithm>
#include <cstdint>
#include <numeric>

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

// The widest group of an axis, without visiting ranks: there may be 2^24 of them.
//
// Groups of one axis tile the ranks in blocks of size x stride, so they begin in a node at the places
//   j d + i,  0 <= j < g / d,  0 <= i < min(stride, d),   d = gcd(size x stride, g),   g devices in a node.
// Only strides below g are left to this class: a group then has ranks in every node between its first and its last.
class StraddlingGroups {
 public:
  StraddlingGroups(const Axis& axis, std::int64_t devices_per_node)
      : size_(axis.size), stride_(axis.stride), g_(devices_per_node), span_((size_ - 1) * stride_) {
    period_ = std::gcd(size_ * stride_, g_);
    run_ = std::min(stride_, period_);
    last_place_ = g_ - period_ + run_ - 1;
    last_node_ = (last_place_ + span_) / g_;
    // Groups that begin further left end in a node before.
    least_place_ = std::max<std::int64_t>(0, last_node_ * g_ - span_);
  }

  GroupShape widest() const {
    const std::int64_t most = last_node_ == 0 ? size_ : std::max({in_first_node(), in_last_node(), in_inner_nodes()});
    return {.nodes = static_cast<int>(last_node_ + 1), .ranks_per_node = static_cast<int>(most)};
  }

 private:
  // Most of the group that begins furthest left.
  std::int64_t in_first_node() const {
    const std::int64_t start = least_place_ / period_ * period_;
    const std::int64_t place = least_place_ < start + run_ ? least_place_ : start + period_;
    return (g_ - 1 - place) / stride_ + 1;
  }
  // Most of the group that begins furthest right.
  std::int64_t in_last_node() const { return (last_place_ + span_ - last_node_ * g_) / stride_ + 1; }
  // Most where the first rank in a node is nearest to the node's begin.
  std::int64_t in_inner_nodes() const {
    // The last run of places; an earlier one only matters where this one is whole, and then it has every offset.
    const std::int64_t from = stride_ >= period_ ? least_place_ : std::max(least_place_, g_ - period_);
    const std::int64_t places = last_place_ - from + 1;
    std::int64_t nearest = stride_;
    for (std::int64_t node = 1; node < last_node_ && node <= stride_ && nearest > 0; ++node) {
      const std::int64_t offset = ((from - node * g_) % stride_ + stride_) % stride_;
      nearest = std::min(nearest, offset + places > stride_ ? 0 : offset);
    }
    return nearest == stride_ ? 0 : (g_ - 1 - nearest) / stride_ + 1;
  }

  std::int64_t size_, stride_, g_;
  std::int64_t span_;        // from the first rank of a group to its last
  std::int64_t period_ = 1;  // of the places, as the next
  std::int64_t run_ = 1;     // consecutive places
  std::int64_t last_place_ = 0;
  std::int64_t least_place_ = 0;  // of a group with as many nodes as any
  std::int64_t last_node_ = 0;    // of such a group, counted from its first
};

GroupShape widest_shape(const Axis& axis, const Topology& topology) {
  if (axis.stride >= topology.devices_per_node) return {.nodes = axis.size, .ranks_per_node = 1};
  return StraddlingGroups(axis, topology.devices_per_node).widest();
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
    shapes_[static_cast<std::size_t>(kind)] = widest_shape(axis_of(static_cast<GroupKind>(kind), degrees_), topology_);
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
