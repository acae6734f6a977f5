// A cluster as data: its shape and what was measured on it (configs/clusters/*.yaml, `sextant profile`).
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "models/cost_model.h"
#include "models/layout.h"
#include "models/linear_fit.h"
#include "models/reference.h"
#include "models/units.h"
#include "models/work.h"

namespace sextant {

class ConfigNode;

// One measured size: repeats on all ranks at once, the slowest rank's time of each repeat.
struct MeasuredPoint {
  Seconds median{};
  Seconds low{};   // 10th percentile over the repeats
  Seconds high{};  // 90th percentile
  int repeats = 0;
  std::string
      source{};  // of a point that a run put in place of the profile's (models/cluster_correction.h); else empty
  bool operator==(const MeasuredPoint&) const = default;
};

struct CollectivePoint {
  Bytes buffer{};  // convention of models/work.h
  MeasuredPoint time{};
  double compute_share = 0.0;  // CostEstimate::compute_share
  bool operator==(const CollectivePoint&) const = default;
};

// One collective on one group shape, points by ascending buffer. A series may instead, or also, give
// only `line` (published alpha and beta): then points is empty.
struct CollectiveSeries {
  Collective op = Collective::kAllToAll;
  GroupShape group{};
  std::vector<CollectivePoint> points{};
  std::optional<AlphaBeta> line{};  // fitted from the points, or published
  std::string source{};             // of a published line; empty when measured
  bool operator==(const CollectiveSeries&) const = default;
};

struct KernelPoint {
  std::int64_t rows = 0;
  MeasuredPoint time{};
  bool operator==(const KernelPoint&) const = default;
};

// One kernel with everything but `rows` fixed (shape.rows == 0), points by ascending rows.
struct KernelSeries {
  Operator op = Operator::kExpert;
  Pass pass = Pass::kForward;
  KernelShape shape{};
  std::vector<KernelPoint> points{};
  bool operator==(const KernelSeries&) const = default;
};

// t = alpha + flops * gamma + bytes * beta over all measured shapes of one operator and pass.
struct KernelFit {
  Operator op = Operator::kExpert;
  Pass pass = Pass::kForward;
  std::optional<int> gated{};  // kExpert: only experts with (1) or without (0) a gate matrix; absent: both
  Seconds alpha{};
  SecondsPerFlop gamma{};
  SecondsPerByte beta{};
  FitResidual residual{};
  std::string source{};  // of a published fit; empty when measured
  bool operator==(const KernelFit&) const = default;
};

// Slow-down of a task on `victim` while a task on `aggressor` runs on the same rank: one that takes t alone takes
// factor * t + delay beside it.
struct Contention {
  Resource victim = Resource::kCompute;
  Resource aggressor = Resource::kIntra;
  double factor = 1.0;  // >= 1
  Seconds delay{};
  bool operator==(const Contention&) const = default;
};

struct DeviceSpec {
  FlopsPerSecond peak{};  // datasheet or measured matrix-product rate of one rank
  BytesPerSecond memory_bandwidth{};
  Bytes memory{};  // usable by one rank
  bool operator==(const DeviceSpec&) const = default;
};

struct Cluster {
  std::string name{};
  std::vector<std::string> aliases{};
  std::string source{};  // "measured by sextant profile ..." or a citation
  Topology topology{};
  std::string backend{};  // local, mpi, cuda
  std::string machine{};  // processor, cores, libraries; free text
  std::string date{};     // of the measurement, ISO 8601
  int element_bytes = 4;
  DeviceSpec device{};
  Seconds launch_latency{};  // CostModel::launch_latency
  // Added to every collective: how long ranks wait for each other where one follows work, beyond what
  // the collective takes alone. Large where ranks share cores, nothing where each has its own.
  Seconds synchronization{};
  std::vector<Contention> contention{};  // pairs that are not listed do not slow each other
  std::vector<CollectiveSeries> collectives{};
  std::vector<KernelSeries> kernels{};
  std::vector<KernelFit> kernel_fits{};
  std::optional<Reference> reference{};  // of a machine that is known from publications only
  bool operator==(const Cluster&) const = default;
};

// Schema sextant/cluster@1; exact keys, every number with its unit. Throws ConfigError path:line:column.
[[nodiscard]] Cluster load_cluster(const std::filesystem::path& path);
[[nodiscard]] Cluster parse_cluster(const ConfigNode& node);
// Reads back as the very same cluster, to the last bit.
[[nodiscard]] std::string cluster_to_yaml(const Cluster& cluster);

// Fits every series' alpha-beta line and every operator's KernelFit from the points held. Lines and
// fits that stand without points (published ones) stay as they are.
void fit_cluster(Cluster& cluster);

// Prices work on `cluster`:
//   kernels      inside a measured series linear between its points (kMeasured at a point); outside by
//                the series' last two points; no such series: KernelFit (kFitted); none: roofline (kDatasheet);
//                a half of a backward that nothing is known of: half of the whole backward (kFitted)
//   collectives  the same over bytes; a series without points by its line (kFitted); a group shape that was
//                not measured: the nearest measured shape of the same tier with its beta scaled by the ring
//                factor (n-1)/n (kFitted)
// Times never decrease with size (models/measured_curve.h); no rows, no bytes or one rank cost nothing.
// low and high come from the points' own percentiles or from the fit's 90th-percentile residual; for a
// roofline, which has neither, both equal the time.
[[nodiscard]] std::unique_ptr<CostModel> make_cost_model(const Cluster& cluster);

}  // namespace sextant
