// Published breakdowns of the memory of a device beside ours, in the decimal gigabytes of the figures.
#include <filesystem>

#include <gtest/gtest.h>

#include "models/network.h"
#include "models/setup_memory.h"
#include "models/training_setup.h"

namespace sextant {
namespace {

// Megatron-Core MoE report (arXiv 2603.07685), table 3: 256 devices, pp 4, four virtual stages, ep 64, tp 1, 16 bits,
// sequences of 4096. Its weights and gradients are 6 bytes of 6.07e9 parameters: a stage of 15 MoE layers,
//   15 x (187e6 attention + 44e6 shared expert + 2e6 router + 4 x 44e6 experts) = 6.1e9,
// neither the first stage, which has the token table, nor the last. Micro-batches of one sequence are assumed.
class MegatronCoreReport : public ::testing::Test {
 protected:
  double gigabytes(MemoryAssumptions assumptions) const {
    assumptions.reserve = Bytes(0.0);
    assumptions.fragmentation = 0.0;
    return StageMemory(network_, setup_, assumptions)
               .total({.stage = 1, .begin = 16, .end = 31}, setup_.recompute)
               .value() /
           1e9;
  }

  const Network network_ =
      load_network(std::filesystem::path(SEXTANT_SOURCE_DIR) / "configs" / "networks" / "deepseek_v3.yaml");
  const TrainingSetup setup_{.degrees = {.pp = 4, .dp = 64, .edp = 1, .ep = 64},
                             .num_micro_batches = 128,
                             .sequence = 4096,
                             .virtual_stages = 4};
};

constexpr double kTolerance = 0.1;

TEST_F(MegatronCoreReport, WeightsAndGradientsAre36Point4Gigabytes) {
  const double without = gigabytes({.parameter_bytes = 0.0, .gradient_bytes = 0.0});
  EXPECT_NEAR(gigabytes({}) - without, 36.4, kTolerance * 36.4);
}

TEST_F(MegatronCoreReport, MasterWeightsAndMomentsAre32Point1Gigabytes) {
  EXPECT_NEAR(gigabytes({}) - gigabytes({.optimizer_bytes = 0.0}), 32.1, kTolerance * 32.1);
}

TEST_F(MegatronCoreReport, ActivationsAre131Gigabytes) {
  const MemoryAssumptions nothing_else{
      .parameter_bytes = 0.0, .gradient_bytes = 0.0, .optimizer_bytes = 0.0, .placeholder_bytes = 0.0};
  EXPECT_NEAR(gigabytes(nothing_else), 131.0, kTolerance * 131.0);
}

TEST_F(MegatronCoreReport, AllOfItIs199Point5Gigabytes) {
  EXPECT_NEAR(gigabytes({}), 199.5, kTolerance * 199.5);
}

}  // namespace
}  // namespace sextant
