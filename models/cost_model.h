// What a task costs, however the cost was obtained. The planner sees only this interface.
#pragma once

#include "models/units.h"
#include "models/work.h"

namespace sextant {

// How a cost came about, from best to worst; a plan reports the worst label behind its prediction.
enum class CostSource { kMeasured, kInterpolated, kFitted, kDatasheet };
[[nodiscard]] const char* to_text(CostSource source);

struct CostEstimate {
  Seconds time{};  // median
  Seconds low{};   // 10th percentile of the measurement or of the fit's residuals
  Seconds high{};  // 90th percentile
  CostSource source = CostSource::kDatasheet;
  // Of a collective, 0 to 1: what it takes of the rank's compute while it advances at full rate. Copies by a
  // processor's cores or by part of a GPU's multiprocessors take it from the kernels that run beside them.
  double compute_share = 0.0;
};

// What a running task occupies. A collective whose group spans both tiers occupies both links.
enum class Resource { kCompute, kIntra, kInter, kHost };
inline constexpr int kNumResources = 4;
[[nodiscard]] const char* to_text(Resource resource);

class CostModel {
 public:
  virtual ~CostModel() = default;
  // Throw ModelError where nothing is known of such work. Zero for groups of one rank.
  [[nodiscard]] virtual CostEstimate kernel(const KernelWork& work) const = 0;
  [[nodiscard]] virtual CostEstimate collective(const CollectiveWork& work) const = 0;
  // Delay between the end of a task and the start of one on another queue that waited for it.
  [[nodiscard]] virtual Seconds launch_latency() const { return Seconds(0.0); }
  // Factor >= 1 by which a task on `victim` is slowed while a task on `aggressor` runs on the same rank.
  [[nodiscard]] virtual double slowdown(Resource victim, Resource aggressor) const {
    static_cast<void>(victim);
    static_cast<void>(aggressor);
    return 1.0;
  }
  // Time by which a task on `victim` takes longer when a task on `aggressor` runs beside all of it, besides the
  // factor: ranks that compute reach a collective at different times and wait for each other.
  [[nodiscard]] virtual Seconds delay(Resource victim, Resource aggressor) const {
    static_cast<void>(victim);
    static_cast<void>(aggressor);
    return Seconds(0.0);
  }

  [[nodiscard]] CostEstimate cost(const Work& work) const;
};

// The costs of another model where nothing slows anything else: what the model is worth without contention.
class UncontendedCostModel : public CostModel {
 public:
  explicit UncontendedCostModel(const CostModel& costs) : costs_(costs) {}  // `costs` must outlive this
  [[nodiscard]] CostEstimate kernel(const KernelWork& work) const override { return costs_.kernel(work); }
  [[nodiscard]] CostEstimate collective(const CollectiveWork& work) const override {
    CostEstimate estimate = costs_.collective(work);
    estimate.compute_share = 0.0;
    return estimate;
  }
  [[nodiscard]] Seconds launch_latency() const override { return costs_.launch_latency(); }

 private:
  const CostModel& costs_;
};

}  // namespace sextant
