// The boundary between a cost model and what plans with it: costs that no plan can be computed from are refused here,
// so that no search has to meet an infinite or a missing one.
#pragma once

#include "models/cost_model.h"

namespace sextant {

// The largest cost that planning takes; what it adds up stays finite.
inline constexpr Seconds kLargestCost{1e100};

// The costs of another model. Throws ModelError, naming the operator or collective, where a time is negative, NaN or
// above kLargestCost, where a share of compute is outside of 0 to 1, or a factor below 1.
class CheckedCostModel final : public CostModel {
 public:
  explicit CheckedCostModel(const CostModel& costs) : costs_(costs) {}  // `costs` must outlive this
  [[nodiscard]] CostEstimate kernel(const KernelWork& work) const override;
  [[nodiscard]] CostEstimate collective(const CollectiveWork& work) const override;
  [[nodiscard]] Seconds launch_latency() const override;
  [[nodiscard]] double slowdown(Resource victim, Resource aggressor) const override;
  [[nodiscard]] Seconds delay(Resource victim, Resource aggressor) const override;

 private:
  const CostModel& costs_;
};

}  // namespace sextant
