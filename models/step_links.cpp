#include "models/step_links.h"

#include <algorithm>
#include <array>
#include <vector>

#include <fmt/format.h>

#include "models/error.h"
#include "models/layer_times.h"

namespace sextant {
namespace {

std::vector<StridedGroup> groups_of(StepTerm term, const TrainingSetup& s) {
  const ParallelDegrees& d = s.degrees;
  switch (term) {
    case StepTerm::kTensorParallel:
      return {{d.tp, 1}};
    case StepTerm::kContextParallel:
      return {{d.cp, d.tp}};
    case StepTerm::kDispatch:
      return {{d.ep, s.folded ? d.esp : d.tp * d.cp}};
    case StepTerm::kExpertShard:
      return {{d.esp, 1}};
    case StepTerm::kPipelineTransfer:
      return {{d.pp, d.dp * d.cp * d.tp}};
    case StepTerm::kGradients:
      return {{d.dp * d.cp, d.tp}, {d.edp, s.folded ? d.ep * d.esp : d.ep * d.tp}};
    default:
      return {};
  }
}

}  // namespace

const char* to_text(TermClass term_class) {
  constexpr std::array<const char*, kNumTermClasses> kNames = {"compute", "exposed communication", "bubble", "rest"};
  return kNames[static_cast<std::size_t>(term_class)];
}

TermClass class_of(StepTerm term) {
  switch (term) {
    case StepTerm::kProducts:
    case StepTerm::kAttention:
    case StepTerm::kElementwise:
    case StepTerm::kHead:
    case StepTerm::kRecompute:
      return TermClass::kCompute;
    case StepTerm::kTensorParallel:
    case StepTerm::kContextParallel:
    case StepTerm::kDispatch:
    case StepTerm::kExpertShard:
    case StepTerm::kPipelineTransfer:
    case StepTerm::kGradients:
      return TermClass::kCommunication;
    case StepTerm::kBubble:
      return TermClass::kBubble;
    case StepTerm::kHost:
    case StepTerm::kUpdate:
    case StepTerm::kOverhead:
      return TermClass::kRest;
  }
  SEXTANT_CHECK(false, "step term {}", static_cast<int>(term));
}

std::optional<Resource> link_of(StepTerm term, const TrainingSetup& setup, const Topology& topology) {
  std::optional<Resource> link;
  for (const StridedGroup& group : groups_of(term, setup)) {
    if (group.size == 1) continue;
    const bool crosses = group.stride * group.size > topology.devices_per_node;
    if (crosses || !link) link = crosses ? Resource::kInter : Resource::kIntra;
  }
  return link;
}

std::string term_phrase(StepTerm term, const std::optional<Resource>& link) {
  std::string name = to_text(term);
  std::ranges::replace(name, '_', ' ');
  if (class_of(term) != TermClass::kCommunication) return name;
  return link ? fmt::format("exposed {} on the {} tier", name, to_text(*link)) : "exposed " + name;
}

}  // namespace sextant
