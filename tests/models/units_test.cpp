#include "models/units.h"

#include <bit>
#include <cstdint>
#include <random>
#include <type_traits>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "models/error.h"
#include "tests/fakes/error_text.h"

namespace sextant {
namespace {

using testing::HasSubstr;

template <typename A, typename B>
concept Addable = requires(A a, B b) {
  a + b;
};

TEST(Quantity, DimensionsFollowFromTheArithmetic) {
  static_assert(std::is_same_v<decltype(Bytes(1.0) / BytesPerSecond(1.0)), Seconds>);
  static_assert(std::is_same_v<decltype(SecondsPerByte(1.0) * Bytes(1.0)), Seconds>);
  static_assert(std::is_same_v<decltype(Flops(1.0) / FlopsPerSecond(1.0)), Seconds>);
  static_assert(std::is_same_v<decltype(Seconds(1.0) / Seconds(1.0)), double>);
  static_assert(!Addable<Bytes, Seconds> && !Addable<Seconds, double>);
  static_assert(!std::is_convertible_v<double, Seconds>);
  EXPECT_EQ(Bytes(6.0) / BytesPerSecond(2.0), Seconds(3.0));
}

TEST(Quantity, OneGigabyteAtOneGigabytePerSecondIsOneSecond) {
  EXPECT_EQ(parse_bytes("1 GB") / parse_bytes_per_second("1 GB/s"), Seconds(1.0));
}

TEST(Quantity, OneTeraflopAtOneTeraflopPerSecondIsOneSecond) {
  EXPECT_EQ(parse_flops("1 TFLOP") / parse_flops_per_second("1 TFLOP/s"), Seconds(1.0));
}

TEST(ParseSeconds, KnowsEveryUnit) {
  EXPECT_EQ(parse_seconds("2 s"), Seconds(2.0));
  EXPECT_EQ(parse_seconds("2 ms"), Seconds(2e-3));
  EXPECT_EQ(parse_seconds("2.3 us"), Seconds(2.3e-6));
  EXPECT_EQ(parse_seconds("2 ns"), Seconds(2e-9));
  EXPECT_EQ(parse_seconds("0 s"), Seconds(0.0));
}

TEST(ParseSeconds, TakesAnyOrNoSpacing) {
  EXPECT_EQ(parse_seconds("5ms"), Seconds(5e-3));
  EXPECT_EQ(parse_seconds("  5   ms "), Seconds(5e-3));
  EXPECT_EQ(parse_seconds("5e-1 ms"), Seconds(5e-4));
}

struct BytesCase {
  const char* text;
  double bytes;
};

TEST(ParseBytes, TellsDecimalFromBinaryAndBitsFromBytes) {
  const BytesCase cases[] = {
      {"1 B", 1.0},
      {"1 kB", 1000.0},
      {"1 KiB", 1024.0},
      {"1 MB", 1e6},
      {"1 MiB", 1048576.0},
      {"1 GB", 1e9},
      {"80 GiB", 80.0 * 1073741824.0},
      {"1 TB", 1e12},
      {"1 TiB", 1099511627776.0},
      {"1 PB", 1e15},
      {"1 PiB", 1125899906842624.0},
      {"8 bit", 1.0},
      {"8 b", 1.0},
      {"4 Gbit", 5e8},
      {"4 Gb", 5e8},
      {"8 Mibit", 1048576.0},
  };
  for (const BytesCase& c : cases) EXPECT_EQ(parse_bytes(c.text).value(), c.bytes) << c.text;
}

TEST(ParseBytesPerSecond, FourGigabitsPerSecondAreHalfAGigabyte) {
  EXPECT_EQ(parse_bytes_per_second("4 Gbit/s"), BytesPerSecond(5e8));
  EXPECT_EQ(parse_bytes_per_second("25 GB/s"), BytesPerSecond(25e9));
  EXPECT_EQ(parse_bytes_per_second("1 GiB/s"), BytesPerSecond(1073741824.0));
}

TEST(ParseFlopsPerSecond, KnowsDecimalPrefixes) {
  EXPECT_EQ(parse_flops_per_second("989 TFLOP/s"), FlopsPerSecond(989e12));
  EXPECT_EQ(parse_flops_per_second("50 GFLOP/s"), FlopsPerSecond(50e9));
}

TEST(ParseInverseRates, NanosecondsPerByteAreMillisecondsPerMegabyte) {
  EXPECT_EQ(parse_seconds_per_byte("0.1 ns/B"), SecondsPerByte(1e-10));
  EXPECT_EQ(parse_seconds_per_byte("0.1 ms/MB"), parse_seconds_per_byte("0.1 ns/B"));
  EXPECT_EQ(parse_seconds_per_byte("1 s/GiB"), SecondsPerByte(1.0 / 1073741824.0));
  EXPECT_EQ(parse_seconds_per_flop("2 s/TFLOP"), SecondsPerFlop(2e-12));
}

struct BadText {
  const char* text;
  const char* reason;
};

TEST(ParseBytes, RefusesWhatIsNoAmountWithUnit) {
  const BadText cases[] = {
      {"", "does not begin with a number"},
      {"   ", "does not begin with a number"},
      {"KiB", "does not begin with a number"},
      {"64", "has no unit"},
      {"64 ", "has no unit"},
      {"64 KIB", "unknown unit \"KIB\""},
      {"64 KB", "unknown unit \"KB\""},
      {"64 GB/s", "unknown unit \"GB/s\""},
      {"64 Ki B", "unknown unit \"Ki B\""},
      {"64 KiB x", "unknown unit"},
      {"-1 KiB", "is negative"},
      {"-0 KiB", "is negative"},
      {"nan KiB", "is not finite"},
      {"inf KiB", "is not finite"},
      {"1e400 KiB", "is out of range"},
      {"1e300 PiB", "is out of range"},
      {"1.1e30 B", "is out of range"},
      {"1e-101 B", "is out of range"},
      {"1,5 KiB", "unknown unit \",5 KiB\""},
      {"0x10 KiB", "unknown unit"},
      {"+4 KiB", "does not begin with a number"},
  };
  for (const BadText& c : cases) {
    const std::string text = error_text<ConfigError>([&] { static_cast<void>(parse_bytes(c.text)); });
    EXPECT_THAT(text, HasSubstr(c.reason)) << c.text;
    EXPECT_THAT(text, HasSubstr("64 KiB")) << "names an example";
  }
}

TEST(ParseQuantities, RefuseTheUnitsOfOneAnother) {
  EXPECT_THROW(static_cast<void>(parse_seconds("1 B")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_bytes_per_second("1 GB")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_bytes_per_second("1 GB/ms")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_flops_per_second("1 TFLOP")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_flops("1 TFLOP/s")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_flops("1 TiFLOP")), ConfigError);
  EXPECT_THROW(static_cast<void>(parse_seconds_per_byte("1 B/s")), ConfigError);
}

TEST(ToText, ShowsFourSignificantDigitsInAFittingUnit) {
  EXPECT_EQ(to_text(Seconds(0.0)), "0 s");
  EXPECT_EQ(to_text(Seconds(12.3456)), "12.35 s");
  EXPECT_EQ(to_text(Seconds(0.0123456)), "12.35 ms");
  EXPECT_EQ(to_text(Seconds(2.3e-6)), "2.3 us");
  EXPECT_EQ(to_text(Seconds(4e-9)), "4 ns");
  EXPECT_EQ(to_text(Seconds(123456.0)), "123456 s");
  EXPECT_EQ(to_text(Bytes(0.0)), "0 B");
  EXPECT_EQ(to_text(Bytes(65536.0)), "64 KiB");
  EXPECT_EQ(to_text(Bytes(1.5 * 1024 * 1024)), "1.5 MiB");
  EXPECT_EQ(to_text(Bytes(80.0 * 1024 * 1024 * 1024)), "80 GiB");
  EXPECT_EQ(to_text(BytesPerSecond(25e9)), "25 GB/s");
  EXPECT_EQ(to_text(BytesPerSecond(12.5e6)), "0.0125 GB/s");
  EXPECT_EQ(to_text(FlopsPerSecond(989e12)), "989 TFLOP/s");
  EXPECT_EQ(to_text(FlopsPerSecond(52.34e9)), "52.34 GFLOP/s");
}

TEST(ToExactText, IsShortWhereTheValueIs) {
  EXPECT_EQ(to_exact_text(Seconds(0.0012)), "1.2 ms");
  EXPECT_EQ(to_exact_text(Seconds(2.3e-6)), "2.3 us");
  EXPECT_EQ(to_exact_text(Bytes(65536.0)), "64 KiB");
  EXPECT_EQ(to_exact_text(Bytes(1000.0)), "1000 B");
  EXPECT_EQ(to_exact_text(Bytes(1.5 * 1024 * 1024 * 1024)), "1536 MiB");
  EXPECT_EQ(to_exact_text(BytesPerSecond(25e9)), "25 GB/s");
  EXPECT_EQ(to_exact_text(FlopsPerSecond(989e12)), "989 TFLOP/s");
  EXPECT_EQ(to_exact_text(SecondsPerByte(1e-10)), "0.1 ns/B");
  EXPECT_EQ(to_exact_text(SecondsPerFlop(2e-12)), "2 s/TFLOP");
}

// A random positive double of any exponent in [2^-80, 2^80).
double random_value(std::mt19937_64& random) {
  const std::uint64_t exponent = 1023 - 80 + random() % 160;
  return std::bit_cast<double>(exponent << 52 | (random() >> 12));
}

TEST(ToExactText, GivesTheSameDoubleBack) {
  constexpr std::uint64_t kSeed = 20250118;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  for (int i = 0; i < 3000; ++i) {
    const double value = random_value(random);
    ASSERT_EQ(parse_seconds(to_exact_text(Seconds(value))).value(), value);
    ASSERT_EQ(parse_bytes(to_exact_text(Bytes(value))).value(), value);
    ASSERT_EQ(parse_bytes_per_second(to_exact_text(BytesPerSecond(value))).value(), value);
    ASSERT_EQ(parse_flops_per_second(to_exact_text(FlopsPerSecond(value))).value(), value);
    ASSERT_EQ(parse_seconds_per_byte(to_exact_text(SecondsPerByte(value))).value(), value);
    ASSERT_EQ(parse_seconds_per_flop(to_exact_text(SecondsPerFlop(value))).value(), value);
  }
}

TEST(ToExactText, SurvivesTheEndsOfTheRange) {
  constexpr double kLeast = 1e-100;
  constexpr double kMost = 1e30;
  for (const double value : {0.0, kLeast, kMost}) {
    EXPECT_EQ(parse_seconds(to_exact_text(Seconds(value))).value(), value);
    EXPECT_EQ(parse_bytes(to_exact_text(Bytes(value))).value(), value);
    EXPECT_EQ(parse_seconds_per_flop(to_exact_text(SecondsPerFlop(value))).value(), value);
  }
}

}  // namespace
}  // namespace sextant
