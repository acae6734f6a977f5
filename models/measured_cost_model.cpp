// make_cost_model of models/cluster.h.
#include <algorithm>
#include <cmath>
#include <map>
#include <tuple>

#include "models/cluster.h"
#include "models/error.h"
#include "models/measured_curve.h"

namespace sextant {
namespace {

constexpr CostEstimate kFree{
    .time = Seconds(0.0), .low = Seconds(0.0), .high = Seconds(0.0), .source = CostSource::kMeasured};

// Time with the interval of a fit whose residuals stay within `relative` for nine points of ten.
CostEstimate fitted(Seconds time, double relative) {
  return {.time = time,
          .low = time * std::max(0.0, 1.0 - relative),
          .high = time * (1.0 + relative),
          .source = CostSource::kFitted};
}

// Straight lines over the logarithm of the buffer; the end points' share beyond them.
double share_at(const std::vector<CollectivePoint>& points, Bytes buffer) {
  const auto above =
      std::find_if(points.begin(), points.end(), [&](const CollectivePoint& point) { return point.buffer >= buffer; });
  if (above == points.end()) return points.back().compute_share;
  if (above == points.begin()) return above->compute_share;
  const auto below = std::prev(above);
  const double part = std::log(buffer / below->buffer) / std::log(above->buffer / below->buffer);
  return below->compute_share + part * (above->compute_share - below->compute_share);
}

struct PricedSeries {
  std::optional<MeasuredCurve> curve;
  std::optional<AlphaBeta> line;
  std::vector<CollectivePoint> points;

  [[nodiscard]] CostEstimate at(Bytes buffer) const {
    if (!curve) return fitted(line->at(buffer), line->residual.p90);
    CostEstimate estimate = curve->at(buffer.value());
    estimate.compute_share = share_at(points, buffer);
    return estimate;
  }
};

PricedSeries priced(const CollectiveSeries& series) {
  SEXTANT_CHECK(!series.points.empty() || series.line, "a series of {} without points and line", to_text(series.op));
  std::vector<MeasuredCurve::Point> points;
  for (const CollectivePoint& point : series.points) {
    points.push_back({.size = point.buffer.value(), .time = point.time});
  }
  PricedSeries result{.curve = std::nullopt, .line = series.line, .points = series.points};
  if (!points.empty()) result.curve.emplace(points);
  return result;
}

MeasuredCurve curve_of(const KernelSeries& series) {
  std::vector<MeasuredCurve::Point> points;
  for (const KernelPoint& point : series.points) {
    points.push_back({.size = static_cast<double>(point.rows), .time = point.time});
  }
  return MeasuredCurve(points);
}

// Share of its buffer that a rank exchanges with the n - 1 others; the same for the four collectives
// up to a constant (a ring all-reduce passes it twice).
double ring_factor(int num_ranks) {
  return (num_ranks - 1.0) / num_ranks;
}

// How far two group shapes are apart: doublings of ranks plus doublings of nodes.
double distance(const GroupShape& a, const GroupShape& b) {
  return std::abs(std::log2(static_cast<double>(a.num_ranks()) / b.num_ranks())) +
         std::abs(std::log2(static_cast<double>(a.nodes) / b.nodes));
}

bool same_tier(const GroupShape& a, const GroupShape& b) {
  return a.uses_inter() == b.uses_inter() && a.uses_intra() == b.uses_intra();
}

class MeasuredCostModel : public CostModel {
 public:
  explicit MeasuredCostModel(const Cluster& cluster)
      : device_(cluster.device),
        element_bytes_(cluster.element_bytes),
        launch_latency_(cluster.launch_latency),
        synchronization_(cluster.synchronization),
        contention_(cluster.contention) {
    for (const CollectiveSeries& series : cluster.collectives) {
      collectives_.emplace(std::pair(series.op, series.group), priced(series));
    }
    for (const KernelSeries& series : cluster.kernels) {
      kernels_.emplace(std::tuple(series.op, series.pass, series.shape), curve_of(series));
    }
    for (const KernelFit& fit : cluster.kernel_fits) fits_.emplace(std::tuple(fit.op, fit.pass, fit.gated), fit);
  }

  [[nodiscard]] CostEstimate kernel(const KernelWork& work) const override {
    if (work.shape.rows == 0) return kFree;
    KernelShape key = work.shape;
    key.rows = 0;
    const auto series = kernels_.find({work.op, work.pass, key});
    if (series != kernels_.end()) return series->second.at(static_cast<double>(work.shape.rows));
    if (is_half(work.pass) && !knows(work)) return half_of_backward(work);
    const KernelCounts counts = count(work, element_bytes_);
    auto fit = fits_.find({work.op, work.pass, work.shape.gated});
    if (fit == fits_.end()) fit = fits_.find({work.op, work.pass, std::nullopt});
    if (fit == fits_.end()) return roofline(work, counts);
    const KernelFit& f = fit->second;
    return fitted(f.alpha + f.gamma * counts.flops + f.beta * counts.bytes, f.residual.p90);
  }

  [[nodiscard]] CostEstimate collective(const CollectiveWork& work) const override {
    if (work.group.num_ranks() == 1 || work.buffer == Bytes(0.0)) return kFree;
    const auto exact = collectives_.find({work.op, work.group});
    CostEstimate estimate = exact != collectives_.end() ? exact->second.at(work.buffer) : scaled_from_nearest(work);
    estimate.compute_share *= estimate.time / (estimate.time + synchronization_);  // who waits takes nothing
    estimate.time += synchronization_;
    estimate.low += synchronization_;
    estimate.high += synchronization_;
    return estimate;
  }

  [[nodiscard]] Seconds launch_latency() const override { return launch_latency_; }

  [[nodiscard]] double slowdown(Resource victim, Resource aggressor) const override {
    const Contention* one = contention_of(victim, aggressor);
    return one == nullptr ? 1.0 : one->factor;
  }

  [[nodiscard]] Seconds delay(Resource victim, Resource aggressor) const override {
    const Contention* one = contention_of(victim, aggressor);
    return one == nullptr ? Seconds(0.0) : one->delay;
  }

 private:
  [[nodiscard]] const Contention* contention_of(Resource victim, Resource aggressor) const {
    const auto one = std::find_if(contention_.begin(), contention_.end(), [&](const Contention& each) {
      return each.victim == victim && each.aggressor == aggressor;
    });
    return one == contention_.end() ? nullptr : &*one;
  }

  static bool is_half(Pass pass) { return pass == Pass::kInputGradient || pass == Pass::kWeightGradient; }

  // Whether any kernel of this operator and pass was measured or fitted.
  [[nodiscard]] bool knows(const KernelWork& work) const {
    return fits_.contains({work.op, work.pass, work.shape.gated}) || fits_.contains({work.op, work.pass, std::nullopt});
  }

  // A cluster file that knows only whole backwards: both halves have the same products.
  [[nodiscard]] CostEstimate half_of_backward(KernelWork work) const {
    work.pass = Pass::kBackward;
    const CostEstimate whole = kernel(work);
    return {.time = whole.time / 2.0,
            .low = whole.low / 2.0,
            .high = whole.high / 2.0,
            .source = std::max(whole.source, CostSource::kFitted)};
  }

  [[nodiscard]] CostEstimate roofline(const KernelWork& work, const KernelCounts& counts) const {
    if (device_.peak <= FlopsPerSecond(0.0) || device_.memory_bandwidth <= BytesPerSecond(0.0)) {
      throw ModelError(fmt::format("the cluster has no measurement of {} {} and no device rates", to_text(work.op),
                                   to_text(work.pass)));
    }
    const Seconds time = std::max(counts.flops / device_.peak, counts.bytes / device_.memory_bandwidth);
    return {.time = time, .low = time, .high = time, .source = CostSource::kDatasheet};
  }

  // With T = alpha + beta n, scaling beta is pricing the scaled buffer: that keeps the curve's shape too.
  [[nodiscard]] CostEstimate scaled_from_nearest(const CollectiveWork& work) const {
    const auto nearest = nearest_series(work);
    const double ratio = ring_factor(work.group.num_ranks()) / ring_factor(nearest->first.second.num_ranks());
    CostEstimate estimate = nearest->second.at(work.buffer * ratio);
    const std::optional<AlphaBeta>& line = nearest->second.line;
    const CostEstimate spread = fitted(estimate.time, line ? line->residual.p90 : 0.0);
    estimate.low = std::min(estimate.low, spread.low);
    estimate.high = std::max(estimate.high, spread.high);
    estimate.source = CostSource::kFitted;
    return estimate;
  }

  using CollectiveMap = std::map<std::pair<Collective, GroupShape>, PricedSeries>;

  // Of the same tier; a group across nodes may also take the other kind of group across nodes, since
  // the links between nodes bound both. Ties: the smaller shape.
  [[nodiscard]] CollectiveMap::const_iterator nearest_series(const CollectiveWork& work) const {
    auto best = collectives_.end();
    auto rank_of = [&](CollectiveMap::const_iterator candidate) {
      const GroupShape& shape = candidate->first.second;
      return std::pair(!same_tier(shape, work.group), distance(shape, work.group));
    };
    for (auto it = collectives_.begin(); it != collectives_.end(); ++it) {
      if (it->first.first != work.op || it->first.second.uses_inter() != work.group.uses_inter()) continue;
      if (best == collectives_.end() || rank_of(it) < rank_of(best)) best = it;
    }
    if (best == collectives_.end()) {
      throw ModelError(fmt::format("the cluster has no measurement of {} {} nodes like {} x {} ranks", to_text(work.op),
                                   work.group.uses_inter() ? "across" : "within", work.group.nodes,
                                   work.group.ranks_per_node));
    }
    return best;
  }

  DeviceSpec device_;
  int element_bytes_ = 4;
  Seconds launch_latency_;
  Seconds synchronization_;
  std::vector<Contention> contention_;
  CollectiveMap collectives_;
  std::map<std::tuple<Operator, Pass, KernelShape>, MeasuredCurve> kernels_;
  std::map<std::tuple<Operator, Pass, std::optional<int>>, KernelFit> fits_;  // by operator, pass and gate
};

}  // namespace

std::unique_ptr<CostModel> make_cost_model(const Cluster& cluster) {
  return std::make_unique<MeasuredCostModel>(cluster);
}

}  // namespace sextant
