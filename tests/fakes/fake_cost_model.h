// A cost model made of two functions, for tests that need costs whose answer is known by hand.
#pragma once

#include <functional>
#include <utility>

#include "models/cost_model.h"

namespace sextant {

class FakeCostModel : public CostModel {
 public:
  using KernelTime = std::function<Seconds(const KernelWork&)>;
  using CollectiveTime = std::function<Seconds(const CollectiveWork&)>;
  using Slowdown = std::function<double(Resource victim, Resource aggressor)>;
  using Delay = std::function<Seconds(Resource victim, Resource aggressor)>;

  FakeCostModel(KernelTime kernel_time, CollectiveTime collective_time)
      : kernel_time_(std::move(kernel_time)), collective_time_(std::move(collective_time)) {}

  void set_launch_latency(Seconds latency) { launch_latency_ = latency; }
  void set_slowdown(Slowdown slowdown) { slowdown_ = std::move(slowdown); }
  void set_delay(Delay delay) { delay_ = std::move(delay); }
  void set_compute_share(double share) { compute_share_ = share; }  // of every collective
  // Low and high of every estimate are the time times (1 - spread) and (1 + spread).
  void set_spread(double spread) { spread_ = spread; }
  void set_source(CostSource source) { source_ = source; }

  [[nodiscard]] CostEstimate kernel(const KernelWork& work) const override { return estimate(kernel_time_(work)); }
  // Zero for groups of one rank, as every cost model must answer.
  [[nodiscard]] CostEstimate collective(const CollectiveWork& work) const override {
    if (work.group.num_ranks() == 1) return estimate(Seconds(0.0));
    CostEstimate result = estimate(collective_time_(work));
    result.compute_share = compute_share_;
    return result;
  }
  [[nodiscard]] Seconds launch_latency() const override { return launch_latency_; }
  [[nodiscard]] double slowdown(Resource victim, Resource aggressor) const override {
    return slowdown_ ? slowdown_(victim, aggressor) : 1.0;
  }
  [[nodiscard]] Seconds delay(Resource victim, Resource aggressor) const override {
    return delay_ ? delay_(victim, aggressor) : Seconds(0.0);
  }

 private:
  [[nodiscard]] CostEstimate estimate(Seconds time) const {
    return {.time = time, .low = time * (1.0 - spread_), .high = time * (1.0 + spread_), .source = source_};
  }

  KernelTime kernel_time_;
  CollectiveTime collective_time_;
  Slowdown slowdown_;
  Delay delay_;
  double compute_share_ = 0.0;
  Seconds launch_latency_;
  double spread_ = 0.0;
  CostSource source_ = CostSource::kMeasured;
};

}  // namespace sextant
