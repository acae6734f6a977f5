#include "models/cluster_correction.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <functional>
#include <map>
#include <memory>
#include <tuple>

#include "models/error.h"

namespace sextant {
namespace {

// A point of any series: size in rows or bytes.
struct SizedPoint {
  double size = 0.0;
  MeasuredPoint time{};
  double compute_share = 0.0;
};

using Price = std::function<CostEstimate(double size)>;

SizedPoint priced_point(double size, const CostEstimate& estimate) {
  return {.size = size,
          .time = {.median = estimate.time,
                   .low = std::min(estimate.low, estimate.time),
                   .high = std::max(estimate.high, estimate.time),
                   .repeats = 1},
          .compute_share = estimate.compute_share};
}

double ratio_of(const SizedPoint& correction, const Price& old_price) {
  return correction.time.median / old_price(correction.size).time;
}

// New price over old at a size. `corrections` by ascending size.
double ratio_at(const std::vector<SizedPoint>& corrections, const Price& old_price, double size) {
  const auto above = std::find_if(corrections.begin(), corrections.end(),
                                  [size](const SizedPoint& correction) { return correction.size >= size; });
  if (above == corrections.end()) return ratio_of(corrections.back(), old_price);
  if (above == corrections.begin()) return ratio_of(*above, old_price);
  const auto below = std::prev(above);
  const double part = std::log(size / below->size) / std::log(above->size / below->size);
  return std::lerp(ratio_of(*below, old_price), ratio_of(*above, old_price), part);
}

// What it takes of the compute over its whole time stays the same.
double rescaled_share(double share, double ratio) {
  return std::min(1.0, share / ratio);
}

SizedPoint scaled(const SizedPoint& point, const CostEstimate& old_price, double ratio, const std::string& source) {
  const double spread = ratio * (old_price.time / point.time.median);
  return {.size = point.size,
          .time = {.median = old_price.time * ratio,
                   .low = point.time.low * spread,
                   .high = point.time.high * spread,
                   .repeats = point.time.repeats,
                   .source = "scaled, " + source},
          .compute_share = rescaled_share(point.compute_share, ratio)};
}

bool has_size(const std::vector<SizedPoint>& points, double size) {
  return std::any_of(points.begin(), points.end(), [size](const SizedPoint& point) { return point.size == size; });
}

void sort_by_size(std::vector<SizedPoint>& points) {
  std::sort(points.begin(), points.end(), [](const SizedPoint& a, const SizedPoint& b) { return a.size < b.size; });
}

// REQUIRES: at least one correction.
std::vector<SizedPoint> corrected_points(const std::vector<SizedPoint>& points, std::vector<SizedPoint> corrections,
                                         const Price& old_price) {
  sort_by_size(corrections);
  std::vector<SizedPoint> result;
  for (const SizedPoint& point : points) {
    if (has_size(corrections, point.size)) continue;
    const double ratio = ratio_at(corrections, old_price, point.size);
    result.push_back(scaled(point, old_price(point.size), ratio, corrections.front().time.source));
  }
  for (SizedPoint correction : corrections) {
    const CostEstimate old = old_price(correction.size);
    correction.compute_share = rescaled_share(old.compute_share, correction.time.median / old.time);
    result.push_back(std::move(correction));
  }
  sort_by_size(result);
  return result;
}

// Where there was no series: what the work cost before, around the sizes that are corrected.
std::vector<SizedPoint> points_before(const std::vector<SizedPoint>& corrections, const Price& old_price) {
  std::vector<SizedPoint> points;
  for (const SizedPoint& correction : corrections) {
    for (const double factor : {0.25, 0.5, 1.0, 2.0, 4.0}) {
      const double size = std::max(1.0, std::round(factor * correction.size));
      if (!has_size(points, size)) points.push_back(priced_point(size, old_price(size)));
    }
  }
  return points;
}

// ---- kernels ----

using KernelKey = std::tuple<Operator, Pass, KernelShape>;

KernelKey key_of(const KernelWork& work) {
  KernelShape shape = work.shape;
  shape.rows = 0;
  return {work.op, work.pass, shape};
}

KernelSeries& series_of(std::vector<KernelSeries>& all, const KernelKey& key) {
  const auto& [op, pass, shape] = key;
  const auto found = std::find_if(all.begin(), all.end(), [&](const KernelSeries& series) {
    return KernelKey{series.op, series.pass, series.shape} == key;
  });
  return found != all.end() ? *found : all.emplace_back(KernelSeries{op, pass, shape, {}});
}

Price price_of(const KernelKey& key, const CostModel& costs) {
  return [key, &costs](double size) {
    const auto& [op, pass, shape] = key;
    KernelWork work{.op = op, .pass = pass, .shape = shape};
    work.shape.rows = static_cast<std::int64_t>(size);
    return costs.kernel(work);
  };
}

std::vector<SizedPoint> points_of(const KernelSeries& series) {
  std::vector<SizedPoint> points;
  for (const KernelPoint& point : series.points) {
    points.push_back({.size = static_cast<double>(point.rows), .time = point.time});
  }
  return points;
}

void set_points(KernelSeries& series, const std::vector<SizedPoint>& points) {
  series.points.clear();
  for (const SizedPoint& point : points) {
    series.points.push_back({.rows = static_cast<std::int64_t>(point.size), .time = point.time});
  }
}

void correct_series(KernelSeries& series, const std::vector<SizedPoint>& corrections, const Price& old_price) {
  std::vector<SizedPoint> points = points_of(series);
  if (points.empty()) points = points_before(corrections, old_price);
  set_points(series, corrected_points(points, corrections, old_price));
}

using KernelCorrections = std::map<KernelKey, std::vector<SizedPoint>>;  // by ascending size

// The corrected series of the same backward: whole, or one of its halves.
std::vector<KernelKey> other_cuts(const KernelKey& key, const KernelCorrections& corrections) {
  constexpr std::array kCuts{Pass::kBackward, Pass::kInputGradient, Pass::kWeightGradient};
  const auto& [op, pass, shape] = key;
  std::vector<KernelKey> found;
  if (std::find(kCuts.begin(), kCuts.end(), pass) == kCuts.end()) return found;
  for (const Pass cut : kCuts) {
    if (const KernelKey other{op, cut, shape}; corrections.contains(other)) found.push_back(other);
  }
  return found;
}

// A run has the backward of a layer whole or in halves; what it shows of the one says as much of the other.
void move_other_cuts(Cluster& cluster, const KernelCorrections& corrections, const CostModel& old_costs) {
  for (KernelSeries& series : cluster.kernels) {
    const KernelKey key{series.op, series.pass, series.shape};
    const std::vector<KernelKey> others = other_cuts(key, corrections);
    if (others.empty() || corrections.contains(key)) continue;
    std::vector<SizedPoint> points = points_of(series);
    for (SizedPoint& point : points) {
      double ratio = 0.0;
      for (const KernelKey& other : others) {
        ratio += ratio_at(corrections.at(other), price_of(other, old_costs), point.size) /
                 static_cast<double>(others.size());
      }
      const std::string& source = corrections.at(others.front()).front().time.source;
      point = scaled(point, price_of(key, old_costs)(point.size), ratio, source);
    }
    set_points(series, points);
  }
}

void correct_kernels(Cluster& cluster, const std::vector<KernelCorrection>& corrections, const CostModel& old_costs) {
  KernelCorrections by_series;
  for (const KernelCorrection& correction : corrections) {
    by_series[key_of(correction.work)].push_back(
        {.size = static_cast<double>(correction.work.shape.rows), .time = correction.time});
  }
  for (auto& [key, points] : by_series) {
    sort_by_size(points);
    correct_series(series_of(cluster.kernels, key), points, price_of(key, old_costs));
  }
  move_other_cuts(cluster, by_series, old_costs);
}

// ---- collectives ----

using CollectiveKey = std::pair<Collective, GroupShape>;

CollectiveSeries& series_of(std::vector<CollectiveSeries>& all, const CollectiveKey& key) {
  const auto found = std::find_if(all.begin(), all.end(), [&](const CollectiveSeries& series) {
    return series.op == key.first && series.group == key.second;
  });
  if (found != all.end()) return *found;
  return all.emplace_back(
      CollectiveSeries{.op = key.first, .group = key.second, .points = {}, .line = std::nullopt, .source = ""});
}

void correct_series(CollectiveSeries& series, const std::vector<SizedPoint>& corrections, const CostModel& old_costs) {
  const Price old_price = [&](double size) {
    return old_costs.collective({.op = series.op, .group = series.group, .buffer = Bytes(size)});
  };
  std::vector<SizedPoint> points;
  for (const CollectivePoint& point : series.points) {
    points.push_back({.size = point.buffer.value(), .time = point.time, .compute_share = point.compute_share});
  }
  if (points.empty()) points = points_before(corrections, old_price);
  series.points.clear();
  for (const SizedPoint& point : corrected_points(points, corrections, old_price)) {
    series.points.push_back({.buffer = Bytes(point.size), .time = point.time, .compute_share = point.compute_share});
  }
}

void correct_collectives(Cluster& cluster, const std::vector<CollectiveCorrection>& corrections,
                         const CostModel& old_costs) {
  std::map<CollectiveKey, std::vector<SizedPoint>> by_series;
  for (const CollectiveCorrection& correction : corrections) {
    by_series[{correction.work.op, correction.work.group}].push_back(
        {.size = correction.work.buffer.value(), .time = correction.time});
  }
  for (const auto& [key, points] : by_series) correct_series(series_of(cluster.collectives, key), points, old_costs);
}

// ---- the rest ----

Contention& pair_of(Cluster& cluster, Resource victim, Resource aggressor) {
  const auto same = std::find_if(cluster.contention.begin(), cluster.contention.end(), [&](const Contention& pair) {
    return pair.victim == victim && pair.aggressor == aggressor;
  });
  if (same != cluster.contention.end()) return *same;
  return cluster.contention.emplace_back(Contention{.victim = victim, .aggressor = aggressor});
}

void correct_contention(Cluster& cluster, const std::vector<ContentionCorrection>& corrections) {
  for (const ContentionCorrection& correction : corrections) {
    Contention& pair = pair_of(cluster, correction.victim, correction.aggressor);
    pair.factor = correction.factor.value_or(pair.factor);
    pair.delay = correction.delay.value_or(pair.delay);
  }
}

void scale_compute_shares(Cluster& cluster, double factor) {
  for (CollectiveSeries& series : cluster.collectives) {
    for (CollectivePoint& point : series.points) point.compute_share = std::min(1.0, factor * point.compute_share);
  }
}

// Published fits are known better than from the points of one run.
void fit_again(Cluster& cluster, const Cluster& old) {
  fit_cluster(cluster);
  for (KernelFit& fit : cluster.kernel_fits) {
    const auto published = std::find_if(old.kernel_fits.begin(), old.kernel_fits.end(), [&](const KernelFit& other) {
      return !other.source.empty() && other.op == fit.op && other.pass == fit.pass && other.gated == fit.gated;
    });
    if (published != old.kernel_fits.end()) fit = *published;
  }
}

// Prices without waiting.
std::unique_ptr<CostModel> costs_alone(Cluster cluster) {
  cluster.synchronization = Seconds(0.0);
  return make_cost_model(cluster);
}

}  // namespace

void merge(ClusterCorrections& into, const ClusterCorrections& from) {
  into.kernels.insert(into.kernels.end(), from.kernels.begin(), from.kernels.end());
  into.collectives.insert(into.collectives.end(), from.collectives.begin(), from.collectives.end());
  if (from.synchronization) into.synchronization = from.synchronization;
  if (from.launch_latency) into.launch_latency = from.launch_latency;
  into.contention.insert(into.contention.end(), from.contention.begin(), from.contention.end());
  into.compute_share_factor *= from.compute_share_factor;
}

Cluster corrected(const Cluster& cluster, const ClusterCorrections& corrections) {
  Cluster result = cluster;
  if (!corrections.kernels.empty() || !corrections.collectives.empty()) {
    const std::unique_ptr<CostModel> old_costs = costs_alone(cluster);
    correct_kernels(result, corrections.kernels, *old_costs);
    correct_collectives(result, corrections.collectives, *old_costs);
    fit_again(result, cluster);
  }
  if (corrections.synchronization) result.synchronization = *corrections.synchronization;
  if (corrections.launch_latency) result.launch_latency = *corrections.launch_latency;
  correct_contention(result, corrections.contention);
  if (corrections.compute_share_factor != 1.0) scale_compute_shares(result, corrections.compute_share_factor);
  return result;
}

}  // namespace sextant
