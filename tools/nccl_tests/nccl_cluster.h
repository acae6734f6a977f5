// Runs of nccl-tests as the collectives of a cluster.
#pragma once

#include <string>
#include <vector>

#include "models/cluster.h"
#include "tools/nccl_tests/nccl_run.h"

namespace sextant {

struct NcclClusterOptions {
  std::string name;
  std::string files;  // "all_reduce.txt, alltoall.txt": for the source
};

struct NcclCluster {
  Cluster cluster;
  std::vector<std::string> warnings;  // tests that no training step uses, devices of several names
};

// Topology: the most hosts, and the most ranks on one, that any run has. A series for every collective and group shape,
// with the alpha-beta line that the profiler would fit; times of one size in several rows or runs become one point, its
// percentiles over them. Device, kernels, their fits and launch latency are those of `base`; its collectives,
// waiting and contention, which were measured on other links, and its reference are left out. Throws ConfigError where
// no run measures a collective of a training step.
[[nodiscard]] NcclCluster cluster_of_nccl_runs(const std::vector<NcclRun>& runs, const Cluster& base,
                                               const NcclClusterOptions& options);

// Of several clusters the one whose name or alias is in a device's name ("H100" in "NVIDIA H100 80GB HBM3"), the
// longest such name first; where the device's name tells its memory, within a tenth of it. Null where none is.
[[nodiscard]] const Cluster* cluster_of_device(const std::vector<Cluster>& clusters, const std::string& device);

}  // namespace sextant
