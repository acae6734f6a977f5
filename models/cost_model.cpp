#include "models/cost_model.h"

#include <variant>

#include "models/error.h"

namespace sextant {

const char* to_text(CostSource source) {
  switch (source) {
    case CostSource::kMeasured:
      return "measured";
    case CostSource::kInterpolated:
      return "interpolated";
    case CostSource::kFitted:
      return "fitted";
    case CostSource::kDatasheet:
      return "datasheet";
  }
  SEXTANT_CHECK(false, "cost source {}", static_cast<int>(source));
}

const char* to_text(Resource resource) {
  switch (resource) {
    case Resource::kCompute:
      return "compute";
    case Resource::kIntra:
      return "intra";
    case Resource::kInter:
      return "inter";
    case Resource::kHost:
      return "host";
  }
  SEXTANT_CHECK(false, "resource {}", static_cast<int>(resource));
}

CostEstimate CostModel::cost(const Work& work) const {
  if (const auto* kernel_work = std::get_if<KernelWork>(&work)) return kernel(*kernel_work);
  return collective(std::get<CollectiveWork>(work));
}

}  // namespace sextant
