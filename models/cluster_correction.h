// Numbers of a cluster replaced by what a run showed: what `sextant profile --refit` changes.
#pragma once

#include <optional>
#include <vector>

#include "models/cluster.h"
#include "models/units.h"
#include "models/work.h"

namespace sextant {

// What a kernel takes; `time.source` names the run.
struct KernelCorrection {
  KernelWork work{};
  MeasuredPoint time{};
};

// The same of a collective, without Cluster::synchronization.
struct CollectiveCorrection {
  CollectiveWork work{};
  MeasuredPoint time{};
};

// What is given replaces that of the pair in the cluster, or of a pair that slows nothing.
struct ContentionCorrection {
  Resource victim = Resource::kCompute;
  Resource aggressor = Resource::kIntra;
  std::optional<double> factor{};
  std::optional<Seconds> delay{};
};

struct ClusterCorrections {
  std::vector<KernelCorrection> kernels{};
  std::vector<CollectiveCorrection> collectives{};
  std::optional<Seconds> synchronization{};
  std::optional<Seconds> launch_latency{};
  std::vector<ContentionCorrection> contention{};
  double compute_share_factor = 1.0;  // on the compute share of every collective
};

// Both; where they give the same shared number, that of `from`. REQUIRES: not the same work in both.
void merge(ClusterCorrections& into, const ClusterCorrections& from);

// `cluster` with its numbers replaced; without corrections the very same.
// A corrected point stands at its size with the new time. The other points of its series move by the ratio of new to
// old price: linear over the logarithm of the size between two corrected points, the nearest's beyond. A run tries few
// sizes, and those it did not try must not look better only because they were not tried. Their source becomes
// "scaled, " and that of the correction. So do the series of the same backward in another cut (whole, or one of its
// halves) that are not corrected themselves. Work without a series gets one, with what it cost before as the other
// points. A collective that takes longer takes the same of the compute over its whole time
// (CollectivePoint::compute_share). Fits are made again from the points; published ones stay. REQUIRES: times above
// zero, work that costs something.
[[nodiscard]] Cluster corrected(const Cluster& cluster, const ClusterCorrections& corrections);

}  // namespace sextant
