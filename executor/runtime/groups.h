// The communicators of a layout: one per parallel group and queue, created in the same order everywhere.
#pragma once

#include <array>
#include <memory>

#include "executor/runtime/runtime.h"
#include "models/cost_model.h"
#include "models/layout.h"

namespace sextant {

class LayoutGroups {
 public:
  // Collective over `world`. REQUIRES: layout.world_size() == world.size().
  LayoutGroups(World& world, const ParallelLayout& layout);
  [[nodiscard]] const ParallelLayout& layout() const { return layout_; }
  // The communicator of `kind` that may be used on `queue` while others are in use on other queues.
  [[nodiscard]] Communicator& get(GroupKind kind, Resource queue);

 private:
  ParallelLayout layout_;
  std::array<std::array<std::unique_ptr<Communicator>, kNumResources>, kNumGroupKinds> communicators_;
};

}  // namespace sextant
