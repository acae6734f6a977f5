// fit_cluster of models/cluster.h: from measured points to lines.
#include <algorithm>

#include "models/cluster.h"

namespace sextant {
namespace {

AlphaBeta line_of(const CollectiveSeries& series) {
  std::vector<TimedAmount> points;
  for (const CollectivePoint& point : series.points) {
    points.push_back({.amount = point.buffer, .time = point.time.median});
  }
  return fit_alpha_beta(points);
}

// The points of all series of one operator and pass, as work and time.
std::vector<TimedCounts> timed_counts(const Cluster& cluster, Operator op, Pass pass) {
  std::vector<TimedCounts> points;
  for (const KernelSeries& series : cluster.kernels) {
    if (series.op != op || series.pass != pass) continue;
    for (const KernelPoint& point : series.points) {
      KernelWork work{.op = op, .pass = pass, .shape = series.shape};
      work.shape.rows = point.rows;
      const KernelCounts counts = count(work, cluster.element_bytes);
      points.push_back({.flops = counts.flops, .bytes = counts.bytes, .time = point.time.median});
    }
  }
  return points;
}

void replace_fit(std::vector<KernelFit>& fits, const KernelFit& fit) {
  const auto same = std::find_if(fits.begin(), fits.end(), [&](const KernelFit& other) {
    return other.op == fit.op && other.pass == fit.pass && !other.gated;
  });
  if (same == fits.end()) {
    fits.push_back(fit);
  } else {
    *same = fit;
  }
}

}  // namespace

void fit_cluster(Cluster& cluster) {
  for (CollectiveSeries& series : cluster.collectives) {
    if (!series.points.empty()) series.line = line_of(series);
  }
  for (int i = 0; i < kNumOperators; ++i) {
    for (int p = 0; p < kNumPasses; ++p) {
      const auto op = static_cast<Operator>(i);
      const auto pass = static_cast<Pass>(p);
      const std::vector<TimedCounts> points = timed_counts(cluster, op, pass);
      if (points.empty()) continue;
      const RooflineFit fit = fit_roofline(points);
      replace_fit(
          cluster.kernel_fits,
          {.op = op, .pass = pass, .alpha = fit.alpha, .gamma = fit.gamma, .beta = fit.beta, .residual = fit.residual});
    }
  }
}

}  // namespace sextant
