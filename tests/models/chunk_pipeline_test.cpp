#include "models/chunk_pipeline.h"

#include <algorithm>
#include <cstdio>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

constexpr BlockQueues kQueues[] = {BlockQueues::kThree, BlockQueues::kOneLink, BlockQueues::kSerial};

ChunkTimes seconds(double a, double g, double e, double s) {
  return {Seconds(a), Seconds(g), Seconds(e), Seconds(s)};
}

// Three queues or two, task by task in the order of the header.
Seconds task_by_task(const ChunkTimes& t, int degree, Seconds independent, BlockQueues queues) {
  Seconds network, second, compute = independent;
  Seconds& local = queues == BlockQueues::kThree ? second : network;
  std::vector<Seconds> done(static_cast<std::size_t>(degree));
  for (Seconds& end : done) {
    network += t.all_to_all;
    local = std::max(local, network) + t.gather;
    end = local;
  }
  for (Seconds& end : done) end = compute = std::max(compute, end) + t.expert;
  for (Seconds& end : done) {
    local = std::max(local, end) + t.scatter;
    network = std::max(network, local) + t.all_to_all;
    end = network;
  }
  return done.back();
}

TEST(ClosedFormTime, TwoChunksOnThreeQueuesByHand) {
  // a 2, g 3, e 4, s 1: D 0-2 2-4, A 2-5 5-8, E 5-9 9-13, S 9-10 13-14, C 10-12 14-16.
  EXPECT_EQ(closed_form_time(seconds(2, 3, 4, 1), 2, Seconds(0.0), BlockQueues::kThree), Seconds(16.0));
  // One link: D A 0-5 5-10, E 5-9 10-14, S C 10-13 14-17.
  EXPECT_EQ(closed_form_time(seconds(2, 3, 4, 1), 2, Seconds(0.0), BlockQueues::kOneLink), Seconds(17.0));
  EXPECT_EQ(closed_form_time(seconds(2, 3, 4, 1), 2, Seconds(0.0), BlockQueues::kSerial), Seconds(24.0));
}

TEST(TimeBeside, SharedExpertsHideTheFirstDispatch) {
  // One chunk, a 5, e 3, 4 of shared experts: 5 + 3 + 5, the 4 within the first 5; with 9 of them 9 + 3 + 5.
  const ChunkTimes chunk = seconds(5, 0, 3, 0);
  EXPECT_EQ(time_beside(chunk, 1, Seconds(4.0), BlockQueues::kOneLink), Seconds(13.0));
  EXPECT_EQ(time_beside(chunk, 1, Seconds(9.0), BlockQueues::kOneLink), Seconds(17.0));
  EXPECT_EQ(time_beside(chunk, 1, Seconds(9.0), BlockQueues::kSerial), Seconds(22.0));
}

TEST(TimeBeside, IsTheTimeOfItsTasksInTheirQueues) {
  constexpr unsigned kSeed = 7;
  std::printf("seed %u\n", kSeed);
  std::mt19937 engine(kSeed);
  const auto draw = [&](int most) { return static_cast<double>(std::uniform_int_distribution<int>(0, most)(engine)); };
  for (int i = 0; i < 20000; ++i) {
    const int most = i % 2 == 0 ? 9 : 300;
    const ChunkTimes chunk = seconds(draw(most), draw(9), draw(most), draw(9));
    const int degree = std::uniform_int_distribution<int>(1, 9)(engine);
    const Seconds independent(draw(2 * most));
    for (const BlockQueues queues : {BlockQueues::kThree, BlockQueues::kOneLink}) {
      ASSERT_EQ(time_beside(chunk, degree, independent, queues), task_by_task(chunk, degree, independent, queues))
          << degree << " chunks, a " << chunk.all_to_all.value() << " g " << chunk.gather.value() << " e "
          << chunk.expert.value() << " s " << chunk.scatter.value() << " beside " << independent.value();
    }
  }
}

TEST(TimeBeside, NothingBesideIsTheClosedForm) {
  for (const BlockQueues queues : kQueues) {
    for (const int degree : {1, 2, 5}) {
      const ChunkTimes chunk = seconds(2, 3, 4, 1);
      EXPECT_EQ(time_beside(chunk, degree, Seconds(0.0), queues),
                closed_form_time(chunk, degree, Seconds(0.0), queues));
    }
  }
}

TEST(TimeBeside, RefusesADegreeBelowOne) {
  EXPECT_THROW(static_cast<void>(time_beside({}, 0, Seconds(1.0), BlockQueues::kThree)), InternalError);
}

}  // namespace
}  // namespace sextant
