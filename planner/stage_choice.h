// The layers of each pipeline stage under a training setup, so that its step is fastest and every stage fits.
#pragma once

#include <optional>
#include <vector>

#include "models/cluster.h"
#include "models/network.h"
#include "models/training_setup.h"
#include "models/units.h"

namespace sextant {

// What setup.stage_layers should be: the exact optimum of models/stage_split.h, empty where that is the even split.
// Nothing where no split fits into `memory`; without it everything fits. A step depends on the split through its
// slowest stage only (models/step_estimate.h), and is the faster the faster that is. DualPipe, whose devices hold a
// stage of each direction and so all need about as much memory, gets the fastest split, which fits or does not.
// REQUIRES: cluster.reference.
[[nodiscard]] std::optional<std::vector<int>> choose_stages(const Network& network, const TrainingSetup& setup,
                                                            const Cluster& cluster,
                                                            const std::optional<Bytes>& memory = std::nullopt);

}  // namespace sextant
