#include "executor/runtime/local/rendezvous.h"

#include <atomic>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace sextant {
namespace {

constexpr Seconds kLong{60.0};

TEST(Rendezvous, OneRankNeverWaits) {
  Rendezvous place(1);
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(place.arrive_and_wait(kLong).has_value());
}

TEST(Rendezvous, NobodyLeavesBeforeAllHaveCome) {
  constexpr int kRanks = 4;
  constexpr int kMeetings = 500;
  Rendezvous place(kRanks);
  std::atomic<int> arrivals = 0;
  std::atomic<int> early = 0;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < kRanks; ++rank) {
    threads.emplace_back([&] {
      for (int meeting = 1; meeting <= kMeetings; ++meeting) {
        ++arrivals;
        if (place.arrive_and_wait(kLong)) ++early;
        if (arrivals < meeting * kRanks) ++early;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(early, 0);
}

TEST(Rendezvous, FailureReleasesWhoWaitsAndWhoComes) {
  Rendezvous place(2);
  std::optional<std::string> seen;
  std::thread waiting([&] { seen = place.arrive_and_wait(kLong); });
  place.fail("rank 1 has failed");
  place.fail("a later reason");
  waiting.join();
  EXPECT_EQ(seen, "rank 1 has failed");
  EXPECT_EQ(place.arrive_and_wait(kLong), "rank 1 has failed");
}

TEST(Rendezvous, PatienceEnds) {
  Rendezvous place(2);
  EXPECT_EQ(place.arrive_and_wait(Seconds(0.01)), "only 1 of 2 ranks came within 0.01 s");
}

}  // namespace
}  // namespace sextant
