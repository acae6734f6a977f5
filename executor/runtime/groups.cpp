#include "executor/runtime/groups.h"

#include "models/error.h"

namespace sextant {
namespace {

template <typename Enum>
std::size_t index_of(Enum value) {
  return static_cast<std::size_t>(value);
}

}  // namespace

LayoutGroups::LayoutGroups(World& world, const ParallelLayout& layout) : layout_(layout) {
  SEXTANT_CHECK(layout.world_size() == world.size(), "a layout of {} ranks in a world of {}", layout.world_size(),
                world.size());
  for (int kind = 0; kind < kNumGroupKinds; ++kind) {
    auto& of_kind = communicators_[static_cast<std::size_t>(kind)];
    const std::vector<int> ranks = layout.group_ranks(static_cast<GroupKind>(kind), world.rank());
    of_kind[0] = world.communicator().split(ranks.front());
    SEXTANT_CHECK(of_kind[0]->size() == static_cast<int>(ranks.size()) &&
                      ranks[static_cast<std::size_t>(of_kind[0]->rank())] == world.rank(),
                  "group {} of rank {} came out with {} ranks", to_text(static_cast<GroupKind>(kind)), world.rank(),
                  of_kind[0]->size());
    for (std::size_t queue = 1; queue < of_kind.size(); ++queue) of_kind[queue] = of_kind[0]->duplicate();
  }
}

Communicator& LayoutGroups::get(GroupKind kind, Resource queue) {
  return *communicators_[index_of(kind)][index_of(queue)];
}

}  // namespace sextant
