#include "executor/runtime/cpu/cpu_device.h"

#include <cstdint>
#include <limits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

TEST(CpuDevice, MemoryIsAlignedAndZeroed) {
  CpuDevice device(1, {});
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{63}, std::size_t{100'001}}) {
    auto* memory = static_cast<unsigned char*>(device.allocate(bytes));
    ASSERT_NE(memory, nullptr);
    EXPECT_EQ(reinterpret_cast<std::uintptr_t>(memory) % 64, 0U);
    for (std::size_t i = 0; i < bytes; ++i) ASSERT_EQ(memory[i], 0);
    device.deallocate(memory);
  }
}

TEST(CpuDevice, TooMuchMemoryIsAnErrorWithTheAmount) {
  CpuDevice device(1, {});
  try {
    static_cast<void>(device.allocate(std::size_t{1} << 62));
    FAIL();
  } catch (const BackendError& error) {
    EXPECT_THAT(error.what(), ::testing::StartsWith("allocate: 4611686018427387904 bytes, but this machine has "));
  }
  EXPECT_THROW(static_cast<void>(device.allocate(std::numeric_limits<std::size_t>::max())), BackendError);
}

TEST(CpuDevice, CopiesThereAndBack) {
  CpuDevice device(1, {});
  const int values[] = {1, 2, 3};
  int back[3] = {};
  void* memory = device.allocate(sizeof(values));
  device.copy_to_device(memory, values, sizeof(values));
  device.copy_to_host(back, memory, sizeof(values));
  device.copy_to_host(nullptr, nullptr, 0);
  EXPECT_EQ(back[2], 3);
  device.deallocate(memory);
}

TEST(CpuDevice, RanksShareTheMemoryEvenly) {
  const double alone = CpuDevice(1, {}).memory().value();
  const double shared = CpuDevice(4, {}).memory().value();
  EXPECT_NEAR(alone / shared, 4.0, 0.4);  // other programs allocate meanwhile
}

TEST(CpuDevice, DescriptionCountsCores) {
  EXPECT_NE(CpuDevice(1, {}).description().find(" cores"), std::string::npos);
}

}  // namespace
}  // namespace sextant
