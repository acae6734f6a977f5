#include "executor/layers/gemm_recording.h"

#include <thread>

#include <gtest/gtest.h>

#include "executor/layers/gemm.h"
#include "models/error.h"

namespace sextant {
namespace {

// c += 2 * 3
void add_six(float& c) {
  static const float a = 2.0F;
  static const float b = 3.0F;
  gemm<float>({.m = 1, .n = 1, .k = 1}, 1.0F, {&a, 1}, {&b, 1}, 1.0F, &c, 1);
}

TEST(GemmRecording, ReplayRepeatsTheProducts) {
  float c = 0.0F;
  const GemmRecording recording;
  add_six(c);
  add_six(c);
  EXPECT_EQ(recording.num_products(), 2U);
  EXPECT_EQ(recording.flops(), 4.0);  // two products of 2 * 1 * 1 * 1
  recording.replay();
  EXPECT_EQ(c, 24.0F);
  EXPECT_EQ(recording.num_products(), 2U);
}

TEST(GemmRecording, SeesProductsOfOtherThreads) {
  float c = 0.0F;
  const GemmRecording recording;
  std::thread([&] { add_six(c); }).join();
  EXPECT_EQ(recording.num_products(), 1U);
}

TEST(GemmRecording, OnlyOneAtATime) {
  GemmRecording first;
  EXPECT_THROW(GemmRecording(), InternalError);
  first.stop();
  EXPECT_NO_THROW(GemmRecording());
}

TEST(GemmRecording, NothingIsRecordedAfterStop) {
  float c = 0.0F;
  GemmRecording recording;
  recording.stop();
  add_six(c);
  EXPECT_EQ(c, 6.0F);
  EXPECT_EQ(recording.num_products(), 0U);
}

}  // namespace
}  // namespace sextant
