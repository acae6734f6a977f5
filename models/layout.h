// How the ranks of a cluster are cut into parallel groups, and which links a group uses.
//
// Inside a pipeline stage the same ranks carry two grids (parallel folding):
//   attention grid  dp x cp x tp     expert grid  edp x ep x esp     (last axis innermost)
// so rank = ((stage * dp + dp_index) * cp + cp_index) * tp + tp_index, and likewise for experts.
#pragma once

#include <array>
#include <string>
#include <vector>

namespace sextant {

// Ranks 0..devices_per_node-1 are node 0, the next ones node 1, and so on.
struct Topology {
  int nodes = 1;
  int devices_per_node = 1;
  [[nodiscard]] int num_ranks() const { return nodes * devices_per_node; }
  [[nodiscard]] int node_of(int rank) const { return rank / devices_per_node; }
  bool operator==(const Topology&) const = default;
};
inline constexpr int kMaxRanks = 1 << 24;
// Throws ConfigError unless both numbers are at least 1 and the ranks at most kMaxRanks.
void require_valid(const Topology& topology);

struct ParallelDegrees {
  int pp = 1;
  int dp = 1;
  int cp = 1;
  int tp = 1;
  int edp = 1;
  int ep = 1;
  int esp = 1;
  bool operator==(const ParallelDegrees&) const = default;
};

enum class GroupKind {
  kTp,     // tensor parallel: attention heads and, between layers, the sequence
  kDp,     // dp x cp: replicas of the tensor-parallel dense parameters
  kEp,     // expert parallel: all-to-all of tokens
  kEsp,    // expert-sharding parallel: the hidden dim of every expert
  kEdp,    // replicas of the expert parameters
  kStage,  // all ranks of a pipeline stage
};
inline constexpr int kNumGroupKinds = 6;
[[nodiscard]] const char* to_text(GroupKind kind);

// What of a group decides its cost: the nodes it spans and how many of its ranks sit in each.
struct GroupShape {
  int nodes = 1;
  int ranks_per_node = 1;
  [[nodiscard]] int num_ranks() const { return nodes * ranks_per_node; }
  [[nodiscard]] bool uses_inter() const { return nodes > 1; }
  [[nodiscard]] bool uses_intra() const { return ranks_per_node > 1; }
  // clang-tidy 14 takes the 0 of a defaulted comparison for a pointer.
  auto operator<=>(const GroupShape&) const = default;  // NOLINT(modernize-use-nullptr)
};

class ParallelLayout {
 public:
  // Throws ConfigError for an invalid topology; with the whole equation when a degree is < 1, when
  // pp*dp*cp*tp or pp*edp*ep*esp differs from topology.num_ranks().
  ParallelLayout(const ParallelDegrees& degrees, const Topology& topology);

  [[nodiscard]] const ParallelDegrees& degrees() const { return degrees_; }
  [[nodiscard]] const Topology& topology() const { return topology_; }
  [[nodiscard]] int world_size() const { return topology_.num_ranks(); }

  [[nodiscard]] int group_size(GroupKind kind) const;
  // Global ranks of the group of `kind` that holds `rank`, in group order.
  [[nodiscard]] std::vector<int> group_ranks(GroupKind kind, int rank) const;
  // Position of `rank` in its group of `kind`.
  [[nodiscard]] int index_in_group(GroupKind kind, int rank) const;
  // Shape of the widest group of `kind` (groups of one kind may straddle node borders unevenly).
  [[nodiscard]] GroupShape group_shape(GroupKind kind) const { return shapes_[static_cast<std::size_t>(kind)]; }

  bool operator==(const ParallelLayout&) const = default;

 private:
  ParallelDegrees degrees_;
  Topology topology_;
  std::array<GroupShape, kNumGroupKinds> shapes_{};
};

// "dp2 tp2 | edp1 ep2 esp2", with pp and cp only where they exceed 1.
[[nodiscard]] std::string to_text(const ParallelDegrees& degrees);

}  // namespace sextant
