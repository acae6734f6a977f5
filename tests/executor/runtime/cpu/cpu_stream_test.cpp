#include "executor/runtime/cpu/cpu_stream.h"

#include <atomic>
#include <future>
#include <thread>

#include <gtest/gtest.h>

#include "executor/runtime/cpu/denormals.h"
#include "models/error.h"

namespace sextant {
namespace {

TEST(CpuStream, RunsKernelsInOrderOnItsOwnThread) {
  CpuStream stream("test", {});
  std::vector<int> ran;
  std::thread::id thread;
  for (int i = 0; i < 1000; ++i) {
    stream.enqueue([&, i] {
      ran.push_back(i);
      thread = std::this_thread::get_id();
    });
  }
  stream.synchronize();
  ASSERT_EQ(ran.size(), 1000U);
  for (int i = 0; i < 1000; ++i) EXPECT_EQ(ran[static_cast<std::size_t>(i)], i);
  EXPECT_NE(thread, std::this_thread::get_id());
}

TEST(CpuStream, DestructorFinishesWhatWasIssued) {
  std::atomic<int> ran = 0;
  {
    CpuStream stream("test", {});
    for (int i = 0; i < 100; ++i) stream.enqueue([&] { ++ran; });
  }
  EXPECT_EQ(ran, 100);
}

TEST(CpuStream, WaitsForTheEventOfAnotherStream) {
  CpuStream first("first", {});
  CpuStream second("second", {});
  CpuEvent event;
  std::promise<void> gate;
  int value = 0;
  first.enqueue([&] {
    gate.get_future().wait();
    value = 1;
  });
  first.record(event);
  second.wait(event);
  int seen = -1;
  second.enqueue([&] { seen = value; });
  gate.set_value();
  second.synchronize();
  EXPECT_EQ(seen, 1);
}

TEST(CpuEvent, IsReachedBeforeItsFirstRecord) {
  CpuStream stream("test", {});
  CpuEvent event;
  event.synchronize();
  stream.wait(event);
  stream.synchronize();
  EXPECT_THROW(static_cast<void>(event.time()), InternalError);
}

TEST(CpuEvent, WaitMeansTheLastRecordBeforeIt) {
  CpuStream first("first", {});
  CpuStream second("second", {});
  CpuEvent event;
  std::promise<void> gate;
  first.record(event);
  second.wait(event);  // not for the record below
  first.enqueue([&] { gate.get_future().wait(); });
  first.record(event);
  second.synchronize();
  gate.set_value();
  event.synchronize();
  first.synchronize();
}

TEST(CpuEvent, TimesFollowTheOrderOfReaching) {
  CpuStream stream("test", {});
  CpuEvent begin;
  CpuEvent end;
  stream.record(begin);
  stream.enqueue([] {});
  stream.record(end);
  end.synchronize();
  EXPECT_LE(begin.time(), end.time());
}

TEST(CpuEvent, MayGoBeforeItIsReached) {
  CpuStream stream("test", {});
  std::promise<void> gate;
  stream.enqueue([&] { gate.get_future().wait(); });
  {
    CpuEvent event;
    stream.record(event);
    stream.wait(event);
  }
  gate.set_value();
  stream.synchronize();
}

TEST(CpuStreamError, SkipsLaterKernelsUntilSynchronize) {
  CpuStream stream("test", {});
  bool ran = false;
  stream.enqueue([] { throw BackendError("first"); });
  stream.enqueue([&] { ran = true; });
  stream.enqueue([] { throw ConfigError("second"); });
  EXPECT_THROW(stream.synchronize(), BackendError);
  EXPECT_FALSE(ran);
  stream.enqueue([&] { ran = true; });
  stream.synchronize();
  EXPECT_TRUE(ran);
}

TEST(CpuStreamError, ReachesThoseWhoWaitForItsEvents) {
  CpuStream first("first", {});
  CpuStream second("second", {});
  CpuEvent event;
  bool ran = false;
  first.enqueue([] { throw ModelError("text"); });
  first.record(event);
  second.wait(event);
  second.enqueue([&] { ran = true; });
  EXPECT_THROW(second.synchronize(), ModelError);
  EXPECT_THROW(event.synchronize(), ModelError);
  EXPECT_THROW(first.synchronize(), ModelError);
  EXPECT_FALSE(ran);
  first.record(event);  // the next record is a clean one
  event.synchronize();
}

TEST(CpuStream, IsAbandonedWhenAnErrorOvertakesItsWork) {
  std::promise<void> gate;
  bool abandoned = false;
  const auto fail = [&] {
    CpuStream stream("test", [&] {
      abandoned = true;
      gate.set_value();
    });
    stream.enqueue([&] { gate.get_future().wait(); });
    throw ConfigError("host");
  };
  EXPECT_THROW(fail(), ConfigError);
  EXPECT_TRUE(abandoned);
}

TEST(CpuStream, IsNotAbandonedWithoutWork) {
  bool abandoned = false;
  const auto fail = [&] {
    CpuStream stream("test", [&] { abandoned = true; });
    stream.synchronize();
    throw ConfigError("host");
  };
  EXPECT_THROW(fail(), ConfigError);
  EXPECT_FALSE(abandoned);
}

// 1e-30 x 1e-10 is below the least normalised float.
TEST(CpuStream, NumbersTooSmallToBeNormalisedCountAsZero) {
  bool can_flush = false;
  std::thread([&] { can_flush = flush_denormals(); }).join();
  CpuStream stream("small", {});
  float product = -1.0F;
  stream.enqueue([&] {
    const volatile float small = 1e-30F;
    product = small * 1e-10F;
  });
  stream.synchronize();
  EXPECT_EQ(product == 0.0F, can_flush);
  const volatile float small = 1e-30F;
  EXPECT_NE(small * 1e-10F, 0.0F) << "threads that are no stream compute as ever";
}

}  // namespace
}  // namespace sextant
