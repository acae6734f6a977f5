#include "models/training_setup.h"

#include <fmt/format.h>

#include "models/error.h"

namespace sextant {

const char* to_text(Precision precision) {
  return precision == Precision::kBf16 ? "bf16" : "fp8";
}

const char* to_text(Dispatch dispatch) {
  return dispatch == Dispatch::kFlat ? "flat" : "deduplicated";
}

const char* to_text(Recompute recompute) {
  switch (recompute) {
    case Recompute::kNone:
      return "none";
    case Recompute::kSelective:
      return "selective";
    case Recompute::kFull:
      return "full";
  }
  SEXTANT_CHECK(false, "recompute {}", static_cast<int>(recompute));
}

int longest_stage(int layers, int pp) {
  return (layers + pp - 1) / pp;
}

std::string to_text(const TrainingSetup& setup) {
  std::string text = fmt::format("{}, {} x {}", to_text(setup.degrees), setup.micro_batch, setup.num_micro_batches);
  if (setup.virtual_stages > 1) text += fmt::format(", v{}", setup.virtual_stages);
  text += fmt::format(", ZeRO-{}", setup.zero_stage);
  if (setup.recompute != Recompute::kNone) text += fmt::format(", {} recompute", to_text(setup.recompute));
  if (setup.precision != Precision::kBf16) text += fmt::format(", {}", to_text(setup.precision));
  if (setup.dispatch != Dispatch::kFlat) text += fmt::format(", {} dispatch", to_text(setup.dispatch));
  return text;
}

}  // namespace sextant
