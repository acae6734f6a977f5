#include "models/stage_room.h"

#include <algorithm>
#include <cmath>

#include "models/error.h"

namespace sextant {

StageRoom::StageRoom(const StageMemory& memory, const TrainingSetup& setup, Bytes limit)
    : memory_(memory), s_(setup), limit_(limit) {
  SEXTANT_CHECK(stage_copies(s_) == 1, "the room of one stage under {}", to_text(s_.pipeline));
}

bool StageRoom::fits(const StageLayers& layers, Recompute recompute) {
  constexpr double kNear = 1e-6;  // far more than the roundings of a line
  const StageKinds kinds = memory_.kinds(layers);
  const Line& of = line(kinds, recompute);
  const double in_flight = micro_batches_in_flight(s_, layers.stage);
  const double bytes =
      of.fixed + kinds.dense * (of.dense + in_flight * of.kept_dense) + kinds.moe * (of.moe + in_flight * of.kept_moe);
  if (std::abs(bytes - limit_.value()) > kNear * limit_.value()) return bytes < limit_.value();
  return memory_.total(kinds, recompute, in_flight) <= limit_;
}

const StageRoom::Line& StageRoom::line(const StageKinds& kinds, Recompute recompute) {
  const std::size_t place = (kinds.stage == 0 ? 1U : 0U) + (kinds.stage + 1 == s_.degrees.pp ? 2U : 0U);
  const std::size_t mix = kinds.moe == 0 ? 0 : kinds.dense == 0 ? 1 : 2;
  std::optional<Line>& line = lines_[static_cast<std::size_t>(recompute)][place][mix];
  if (!line) line = measured(kinds, recompute);
  return *line;
}

// From the memory of a layer or two with no micro-batch in flight and with many.
StageRoom::Line StageRoom::measured(const StageKinds& kinds, Recompute recompute) const {
  constexpr double kMany = 64.0;
  const StageKinds least{kinds.stage, std::min(kinds.dense, 1), std::min(kinds.moe, 1)};
  const auto bytes = [&](int more_dense, int more_moe, double in_flight) {
    return memory_.total({least.stage, least.dense + more_dense, least.moe + more_moe}, recompute, in_flight).value();
  };
  const double none = bytes(0, 0, 0.0);
  const double many = bytes(0, 0, kMany);
  Line line{.fixed = none};
  if (least.dense > 0) {
    line.dense = bytes(1, 0, 0.0) - none;
    line.kept_dense = (bytes(1, 0, kMany) - many - line.dense) / kMany;
    line.fixed -= line.dense;
  }
  if (least.moe > 0) {
    line.moe = bytes(0, 1, 0.0) - none;
    line.kept_moe = (bytes(0, 1, kMany) - many - line.moe) / kMany;
    line.fixed -= line.moe;
  }
  return line;
}

}  // namespace sextant
