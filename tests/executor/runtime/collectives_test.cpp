// Every collective by value, on every group size, buffer size and type. Linked with each back end.
#include <algorithm>
#include <cmath>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "tests/executor/runtime/on_ranks.h"

namespace sextant::testing {
namespace {

template <typename T>
class Collectives : public ::testing::Test {};
using Types = ::testing::Types<float, double>;
TYPED_TEST_SUITE(Collectives, Types);

// Zero, one, fewer elements than ranks, odd, one past a power of two, on 4 ranks parts of less than 32 KiB and of as
// much (from where on ranks of several nodes meet), a few hundred KiB.
constexpr std::size_t kCounts[] = {0, 1, 3, 1021, 1025, 32'767, 40'003};

// A number that says where it comes from; small enough for exact sums in single precision.
template <typename T>
T mark(int rank, std::size_t index) {
  return static_cast<T>(rank * 1000 + static_cast<int>(index % 997));
}

template <typename T>
std::vector<T> marked(int rank, std::size_t count) {
  std::vector<T> values(count);
  for (std::size_t i = 0; i < count; ++i) values[i] = mark<T>(rank, i);
  return values;
}

// Random values whose sum depends on the order of additions.
template <typename T>
std::vector<T> rough(int rank, std::size_t count) {
  std::minstd_rand generator(2024U + static_cast<unsigned>(rank));
  std::vector<T> values(count);
  for (T& value : values) {
    const auto mantissa = static_cast<T>(static_cast<int>(generator() % 2'000'001U) - 1'000'000);
    value = mantissa * static_cast<T>(1U << generator() % 30U) / T(7);
  }
  return values;
}

template <typename Body>
void for_each_group_and_count(const Body& body) {
  for (int num_ranks = 1; num_ranks <= 4; ++num_ranks) {
    on_ranks(num_ranks, [&](Ranks& ranks) {
      ASSERT_EQ(ranks.communicator.size(), num_ranks);
      const auto stream = ranks.device.make_stream("test");
      for (const std::size_t count : kCounts) {
        SCOPED_TRACE(::testing::Message() << num_ranks << " ranks, " << count << " elements");
        body(ranks, *stream, count);
      }
    });
  }
}

TYPED_TEST(Collectives, AllToAllSendsPartIToRankI) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    const int rank = ranks.communicator.rank();
    const auto size = static_cast<std::size_t>(ranks.communicator.size());
    Buffer<TypeParam> send(ranks.device, marked<TypeParam>(rank, size * count));
    Buffer<TypeParam> recv(ranks.device, size * count);
    ranks.communicator.all_to_all(stream, send.data(), recv.data(), count, data_type_of<TypeParam>());
    stream.synchronize();
    std::vector<TypeParam> expected;
    for (std::size_t from = 0; from < size; ++from) {
      for (std::size_t j = 0; j < count; ++j) {
        expected.push_back(mark<TypeParam>(static_cast<int>(from), static_cast<std::size_t>(rank) * count + j));
      }
    }
    EXPECT_TRUE(recv.values() == expected);
  });
}

TYPED_TEST(Collectives, AllGatherLinesUpRanks) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    const int size = ranks.communicator.size();
    Buffer<TypeParam> send(ranks.device, marked<TypeParam>(ranks.communicator.rank(), count));
    Buffer<TypeParam> recv(ranks.device, static_cast<std::size_t>(size) * count);
    ranks.communicator.all_gather(stream, send.data(), recv.data(), count, data_type_of<TypeParam>());
    stream.synchronize();
    std::vector<TypeParam> expected;
    for (int from = 0; from < size; ++from) {
      for (std::size_t j = 0; j < count; ++j) expected.push_back(mark<TypeParam>(from, j));
    }
    EXPECT_TRUE(recv.values() == expected);
  });
}

TYPED_TEST(Collectives, ReduceScatterSumsPartI) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    const int rank = ranks.communicator.rank();
    const int size = ranks.communicator.size();
    Buffer<TypeParam> send(ranks.device, marked<TypeParam>(rank, static_cast<std::size_t>(size) * count));
    Buffer<TypeParam> recv(ranks.device, count);
    ranks.communicator.reduce_scatter(stream, send.data(), recv.data(), count, data_type_of<TypeParam>());
    stream.synchronize();
    std::vector<TypeParam> expected(count, TypeParam(0));
    for (int from = 0; from < size; ++from) {
      for (std::size_t j = 0; j < count; ++j) {
        expected[j] += mark<TypeParam>(from, static_cast<std::size_t>(rank) * count + j);
      }
    }
    EXPECT_TRUE(recv.values() == expected);
  });
}

// The same bits on every rank and with every back end: those of the sum in rank order.
TYPED_TEST(Collectives, AllReduceSumsInRankOrder) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    Buffer<TypeParam> data(ranks.device, rough<TypeParam>(ranks.communicator.rank(), count));
    ranks.communicator.all_reduce(stream, data.data(), count, data_type_of<TypeParam>());
    stream.synchronize();
    std::vector<TypeParam> expected = rough<TypeParam>(0, count);
    for (int from = 1; from < ranks.communicator.size(); ++from) {
      const std::vector<TypeParam> other = rough<TypeParam>(from, count);
      for (std::size_t j = 0; j < count; ++j) expected[j] += other[j];
    }
    EXPECT_TRUE(data.values() == expected);
  });
}

TYPED_TEST(Collectives, ReduceScatterSumsInRankOrder) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    const auto size = static_cast<std::size_t>(ranks.communicator.size());
    const auto rank = static_cast<std::size_t>(ranks.communicator.rank());
    Buffer<TypeParam> send(ranks.device, rough<TypeParam>(ranks.communicator.rank(), size * count));
    Buffer<TypeParam> recv(ranks.device, count);
    ranks.communicator.reduce_scatter(stream, send.data(), recv.data(), count, data_type_of<TypeParam>());
    stream.synchronize();
    std::vector<TypeParam> expected(count, TypeParam(0));
    for (std::size_t from = 0; from < size; ++from) {
      const std::vector<TypeParam> other = rough<TypeParam>(static_cast<int>(from), size * count);
      for (std::size_t j = 0; j < count; ++j) expected[j] += other[rank * count + j];
    }
    EXPECT_TRUE(recv.values() == expected);
  });
}

TEST(Broadcast, EveryRootReachesEveryRank) {
  for_each_group_and_count([](Ranks& ranks, Stream& stream, std::size_t count) {
    for (int root = 0; root < ranks.communicator.size(); ++root) {
      Buffer<float> data(ranks.device, marked<float>(ranks.communicator.rank(), count));
      ranks.communicator.broadcast(stream, data.data(), count * sizeof(float), root);
      stream.synchronize();
      EXPECT_TRUE(data.values() == marked<float>(root, count)) << "root " << root;
    }
  });
}

TEST(Barrier, NobodyPassesBeforeAllHaveCome) {
  for (int num_ranks = 1; num_ranks <= 4; ++num_ranks) {
    on_ranks(num_ranks, [](Ranks& ranks) {
      const auto stream = ranks.device.make_stream("test");
      const auto before = ranks.device.make_event();
      const auto after = ranks.device.make_event();
      stream->record(*before);
      ranks.communicator.barrier(*stream);
      stream->record(*after);
      stream->synchronize();
      // The clock is the machine's, so that the times of all ranks compare.
      double latest_before = 0.0;
      for (const std::string& text : ranks.communicator.gather_text(fmt::format("{}", before->time().value()))) {
        latest_before = std::max(latest_before, std::stod(text));
      }
      EXPECT_GE(after->time().value(), latest_before);
    });
  }
}

// A rank may be a whole collective ahead of another one.
TEST(Barrier, MayBeFollowedByAnythingAtOnce) {
  on_ranks(4, [](Ranks& ranks) {
    const auto stream = ranks.device.make_stream("test");
    Buffer<double> sum(ranks.device, std::vector<double>(1, 1.0));
    constexpr int kRounds = 300;
    for (int round = 0; round < kRounds; ++round) {
      ranks.communicator.barrier(*stream);
      stream->enqueue([&] { *sum.data() /= 4.0; });
      ranks.communicator.all_reduce(*stream, sum.data(), 1, DataType::kFloat64);
    }
    stream->synchronize();
    EXPECT_EQ(sum.values(), std::vector<double>(1, 1.0));
  });
}

TEST(GatherText, GivesEveryTextInRankOrder) {
  for (int num_ranks = 1; num_ranks <= 4; ++num_ranks) {
    on_ranks(num_ranks, [](Ranks& ranks) {
      const auto text_of = [](int rank) { return std::string(static_cast<std::size_t>(rank) * 40'000, 'x') + ":\n"; };
      const std::vector<std::string> texts = ranks.communicator.gather_text(text_of(ranks.communicator.rank()));
      ASSERT_EQ(texts.size(), static_cast<std::size_t>(ranks.communicator.size()));
      for (int rank = 0; rank < ranks.communicator.size(); ++rank) {
        EXPECT_TRUE(texts[static_cast<std::size_t>(rank)] == text_of(rank)) << rank;
      }
      EXPECT_EQ(ranks.communicator.gather_text(""), std::vector<std::string>(texts.size()));
    });
  }
}

TEST(Split, GroupsRanksOfEqualColourInOrder) {
  on_ranks(4, [](Ranks& ranks) {
    const int rank = ranks.communicator.rank();
    const auto part = ranks.communicator.split(rank % 2 == 0 ? 7 : 3);  // {0, 2}, {1, 3}
    EXPECT_EQ(part->size(), 2);
    EXPECT_EQ(part->rank(), rank / 2);
    EXPECT_EQ(part->gather_text(std::to_string(rank)),
              (std::vector<std::string>{std::to_string(rank % 2), std::to_string(rank % 2 + 2)}));
  });
}

TEST(Split, PartsCanBeSplitAgain) {
  on_ranks(4, [](Ranks& ranks) {
    const auto half = ranks.communicator.split(ranks.communicator.rank() / 2);
    const auto alone = half->split(half->rank());
    EXPECT_EQ(alone->size(), 1);
    EXPECT_EQ(alone->rank(), 0);
    EXPECT_EQ(half->size(), 2);
  });
}

TEST(Duplicate, HasTheSameRanks) {
  on_ranks(3, [](Ranks& ranks) {
    const auto copy = ranks.communicator.duplicate();
    EXPECT_EQ(copy->rank(), ranks.communicator.rank());
    EXPECT_EQ(copy->size(), 3);
  });
}

// Collectives of one communicator wait for nothing of another, in whatever order ranks come to them.
TEST(Duplicate, TwoStreamsInterleaveAtRandom) {
  constexpr unsigned kSeed = 7;
  constexpr int kRounds = 60;
  constexpr std::size_t kCount = 700;
  RecordProperty("seed", kSeed);
  on_ranks(4, [](Ranks& ranks) {
    const auto second = ranks.communicator.duplicate();
    Communicator* communicators[] = {&ranks.communicator, second.get()};
    const std::unique_ptr<Stream> streams[] = {ranks.device.make_stream("one"), ranks.device.make_stream("two")};
    const int rank = ranks.communicator.rank();
    std::mt19937 generator(kSeed + static_cast<unsigned>(rank));  // another order of issue on every rank
    std::vector<std::unique_ptr<Buffer<double>>> sums[2];
    std::vector<std::unique_ptr<Buffer<double>>> gathered[2];
    int issued[2] = {0, 0};
    while (issued[0] + issued[1] < 2 * kRounds) {
      unsigned which = generator() % 2;
      if (issued[which] == kRounds) which = 1 - which;
      const int round = issued[which]++;
      auto& sum = sums[which].emplace_back(
          std::make_unique<Buffer<double>>(ranks.device, std::vector<double>(kCount, rank + 10.0 * round + which)));
      auto& all = gathered[which].emplace_back(std::make_unique<Buffer<double>>(ranks.device, 4 * kCount));
      communicators[which]->all_reduce(*streams[which], sum->data(), kCount, DataType::kFloat64);
      communicators[which]->all_gather(*streams[which], sum->data(), all->data(), kCount, DataType::kFloat64);
    }
    for (const auto& stream : streams) stream->synchronize();
    for (unsigned which = 0; which < 2; ++which) {
      for (int round = 0; round < kRounds; ++round) {
        // ranks 0 + 1 + 2 + 3, and four times the rest
        const double expected = 6.0 + 4.0 * (10.0 * round + which);
        EXPECT_TRUE(gathered[which][static_cast<std::size_t>(round)]->values() ==
                    std::vector<double>(4 * kCount, expected))
            << "stream " << which << " round " << round;
      }
    }
  });
}

TEST(GatherText, WorksWhileAStreamUsesTheCommunicator) {
  on_ranks(4, [](Ranks& ranks) {
    const auto stream = ranks.device.make_stream("test");
    Buffer<double> data(ranks.device, std::vector<double>(1000, 1.0));
    for (int i = 0; i < 20; ++i) {
      ranks.communicator.all_reduce(*stream, data.data(), 1000, DataType::kFloat64);
      EXPECT_EQ(ranks.communicator.gather_text("hello"), std::vector<std::string>(4, "hello"));
    }
    stream->synchronize();
    EXPECT_EQ(data.values(), std::vector<double>(1000, std::pow(4.0, 20)));
  });
}

}  // namespace
}  // namespace sextant::testing
