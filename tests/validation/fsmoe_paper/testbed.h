// The paper's two testbeds: their cluster files, and a cost model that prices what the paper prices.
#pragma once

#include <memory>
#include <string>

#include "models/cluster.h"
#include "models/cost_model.h"

namespace sextant::fsmoe_paper {

// Loads configs/clusters/fsmoe_testbed_<letter>.yaml.
[[nodiscard]] Cluster load_testbed(char letter);

// What the paper's model lacks: how much slower tasks become while others run. One factor per testbed,
// between one of two pairs of resources; the other factor is 1.
struct Contention {
  double links_and_compute = 1.0;  // collectives and kernels slow each other: they share cores and memory
  double two_links = 1.0;          // collectives inside and between nodes slow each other: they share PCIe
};

// The cluster's costs for one MoE layer, as the paper counts it: without embedding, head and update, and
// with the gradients of norms and gate (0.1 % of the volume) inside those of the attention.
class PaperCosts : public CostModel {
 public:
  PaperCosts(const Cluster& cluster, Contention contention)
      : costs_(make_cost_model(cluster)), contention_(contention) {}

  [[nodiscard]] CostEstimate kernel(const KernelWork& work) const override;
  [[nodiscard]] CostEstimate collective(const CollectiveWork& work) const override;
  [[nodiscard]] double slowdown(Resource victim, Resource aggressor) const override;

 private:
  std::unique_ptr<CostModel> costs_;
  Contention contention_;
};

}  // namespace sextant::fsmoe_paper
