// Measures the cluster that the running ranks are: what `sextant profile` writes.
#pragma once

#include <string>
#include <vector>

#include "executor/runtime/runtime.h"
#include "models/cluster.h"
#include "models/network.h"
#include "profiler/progress.h"

namespace sextant {

struct ProfileOptions {
  std::string name = "measured";
  std::vector<Network> networks;                // whose kernels are timed; empty: reference_networks()
  std::vector<std::int64_t> sequences = {128};  // tokens of a sample at which kernels are timed
  std::vector<std::int64_t> micro_batches;      // samples at which kernels are timed; empty: 1, 2, 4, 8
  bool quick = false;                           // fewer sizes and repeats
  ProgressCallback progress;
};

// Networks that cover the usual shapes where the user names none; the kernel fits made from them serve
// any other network.
[[nodiscard]] std::vector<Network> reference_networks();

// Collective over `world`; every rank returns the same cluster, fits included.
[[nodiscard]] Cluster profile(World& world, const ProfileOptions& options);

}  // namespace sextant
