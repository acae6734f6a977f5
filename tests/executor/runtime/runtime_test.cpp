#include "executor/runtime/runtime.h"

#include <cstdlib>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

class LauncherEnvironment : public ::testing::Test {
 protected:
  void SetUp() override { clear(); }
  void TearDown() override { clear(); }
  static void clear() {
    for (const char* name : {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "PMI_RANK", "PMI_SIZE", "SLURM_PROCID",
                             "SLURM_STEP_NUM_TASKS", "RANK", "WORLD_SIZE"}) {
      unsetenv(name);
    }
  }
};

TEST_F(LauncherEnvironment, NoneMeansLocal) {
  EXPECT_EQ(detect_backend(), Backend::kLocal);
  EXPECT_FALSE(launcher_place().has_value());
}

TEST_F(LauncherEnvironment, MpirunSrunAndTorchrunMeanMpi) {
  const std::pair<const char*, const char*> launchers[] = {{"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"},
                                                           {"PMI_RANK", "PMI_SIZE"},
                                                           {"SLURM_PROCID", "SLURM_STEP_NUM_TASKS"},
                                                           {"RANK", "WORLD_SIZE"}};
  for (const auto& [rank, size] : launchers) {
    clear();
    setenv(rank, "3", 1);
    setenv(size, "8", 1);
    EXPECT_EQ(detect_backend(), Backend::kMpi) << rank;
    ASSERT_TRUE(launcher_place().has_value());
    EXPECT_EQ(launcher_place()->rank, 3);
    EXPECT_EQ(launcher_place()->size, 8);
  }
}

// A batch script has SLURM_PROCID=0 although it is no rank of a step.
TEST_F(LauncherEnvironment, HalfOfALauncherIsNone) {
  setenv("SLURM_PROCID", "0", 1);
  EXPECT_EQ(detect_backend(), Backend::kLocal);
}

TEST(DataType, SizesAreThoseOfTheTypes) {
  EXPECT_EQ(size_of(data_type_of<float>()), sizeof(float));
  EXPECT_EQ(size_of(data_type_of<double>()), sizeof(double));
}

TEST(HasBackend, LocalIsAlwaysThere) {
  EXPECT_TRUE(has_backend(Backend::kLocal));
}

TEST(Launch, MissingMpiSaysHowToGetIt) {
  if (has_backend(Backend::kMpi)) GTEST_SKIP() << "this build has MPI";
  try {
    launch(Backend::kMpi, {}, [](World&) { return 0; });
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_STREQ(error.what(), "this build has no MPI back end (configure with SEXTANT_WITH_MPI=ON)");
  }
}

}  // namespace
}  // namespace sextant
