#include "tests/validation/fsmoe_paper/testbed.h"

#include <filesystem>

namespace sextant::fsmoe_paper {

Cluster load_testbed(char letter) {
  const std::filesystem::path root(SEXTANT_SOURCE_DIR);
  return load_cluster(root / "configs" / "clusters" / (std::string("fsmoe_testbed_") + letter + ".yaml"));
}

CostEstimate PaperCosts::kernel(const KernelWork& work) const {
  switch (work.op) {
    case Operator::kEmbedding:
    case Operator::kHead:
    case Operator::kGradientNorm:
    case Operator::kOptimizer:
      return {.source = CostSource::kFitted};
    default:
      return costs_->kernel(work);
  }
}

CostEstimate PaperCosts::collective(const CollectiveWork& work) const {
  const bool replicated_gradients = work.op == Collective::kAllReduce && work.group.uses_intra();
  return replicated_gradients ? CostEstimate{.source = CostSource::kFitted} : costs_->collective(work);
}

double PaperCosts::slowdown(Resource victim, Resource aggressor) const {
  const bool with_compute = victim == Resource::kCompute || aggressor == Resource::kCompute;
  return with_compute ? contention_.links_and_compute : contention_.two_links;
}

}  // namespace sextant::fsmoe_paper
