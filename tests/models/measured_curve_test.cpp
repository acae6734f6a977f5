#include "models/measured_curve.h"

#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

MeasuredCurve::Point point(double size, double median_s, double low_s, double high_s) {
  return {.size = size,
          .time = {.median = Seconds(median_s), .low = Seconds(low_s), .high = Seconds(high_s), .repeats = 10}};
}
MeasuredCurve::Point point(double size, double median_s) {
  return point(size, median_s, median_s, median_s);
}

MeasuredCurve curve(const std::vector<MeasuredCurve::Point>& points) {
  return MeasuredCurve(points);
}

TEST(MeasuredCurve, AnswersAPointWithItsOwnPercentiles) {
  const CostEstimate estimate = curve({point(10, 2.0, 1.5, 3.0), point(20, 4.0, 2.0, 5.0)}).at(20);
  EXPECT_EQ(estimate.time, Seconds(4.0));
  EXPECT_EQ(estimate.low, Seconds(2.0));
  EXPECT_EQ(estimate.high, Seconds(5.0));
  EXPECT_EQ(estimate.source, CostSource::kMeasured);
}

TEST(MeasuredCurve, InterpolatesTimeAndSpreadBetweenPoints) {
  // Half way: median 3; low ratios 0.75 and 0.5 -> 0.625; high ratios 1.5 and 1.25 -> 1.375.
  const CostEstimate estimate = curve({point(10, 2.0, 1.5, 3.0), point(20, 4.0, 2.0, 5.0)}).at(15);
  EXPECT_DOUBLE_EQ(estimate.time.value(), 3.0);
  EXPECT_DOUBLE_EQ(estimate.low.value(), 3.0 * 0.625);
  EXPECT_DOUBLE_EQ(estimate.high.value(), 3.0 * 1.375);
  EXPECT_EQ(estimate.source, CostSource::kInterpolated);
}

TEST(MeasuredCurve, ContinuesTheLineOfTheLastTwoPoints) {
  const MeasuredCurve c = curve({point(10, 1.0), point(20, 3.0), point(40, 5.0)});
  EXPECT_DOUBLE_EQ(c.at(60).time.value(), 7.0);  // 5 + 20 x (5 - 3) / 20
  EXPECT_EQ(c.at(60).source, CostSource::kFitted);
}

TEST(MeasuredCurve, BelowTheFirstPointStaysAboveTheChordToTheOrigin) {
  const MeasuredCurve with_latency = curve({point(10, 3.0), point(20, 4.0)});
  EXPECT_DOUBLE_EQ(with_latency.at(5).time.value(), 2.5);  // line 2 + size / 10
  EXPECT_EQ(with_latency.at(5).source, CostSource::kFitted);
  const MeasuredCurve convex = curve({point(10, 1.0), point(20, 4.0)});
  EXPECT_DOUBLE_EQ(convex.at(5).time.value(), 0.5);  // the line would give -0.5
}

TEST(MeasuredCurve, OnePointIsConstantBelowAndProportionalAbove) {
  const MeasuredCurve c = curve({point(10, 2.0)});
  EXPECT_EQ(c.at(1).time, Seconds(2.0));
  EXPECT_EQ(c.at(10).time, Seconds(2.0));
  EXPECT_EQ(c.at(30).time, Seconds(6.0));
}

TEST(MeasuredCurve, PoolsPointsThatNoisePutInFallingOrder) {
  // 3 and 1 become their mean 2; the point keeps its relative spread.
  const MeasuredCurve c = curve({point(10, 1.0), point(20, 3.0, 1.5, 6.0), point(30, 1.0), point(40, 4.0)});
  EXPECT_EQ(c.at(20).time, Seconds(2.0));
  EXPECT_EQ(c.at(20).low, Seconds(1.0));
  EXPECT_EQ(c.at(20).high, Seconds(4.0));
  EXPECT_EQ(c.at(30).time, Seconds(2.0));
}

TEST(MeasuredCurve, AFlatEndGrowsWithTheWholeSeries) {
  const MeasuredCurve c = curve({point(10, 1.0), point(20, 3.0), point(30, 3.0)});
  EXPECT_DOUBLE_EQ(c.at(40).time.value(), 4.0);  // 3 + 10 x (3 - 1) / 20
}

TEST(MeasuredCurve, NeverDecreasesAndNeverTurnsNegativeWhateverTheNoise) {
  constexpr std::uint64_t kSeed = 77;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(0.01, 1.0);
  for (int trial = 0; trial < 300; ++trial) {
    std::vector<MeasuredCurve::Point> points;
    double size = 0.0;
    for (std::uint64_t i = 1 + random() % 6; i > 0; --i) {
      size += uniform(random);
      points.push_back(point(size, uniform(random)));
    }
    const MeasuredCurve c(points);
    Seconds before(0.0);
    for (double at = 0.001; at < 2.0 * size; at += size / 200.0) {
      const CostEstimate estimate = c.at(at);
      ASSERT_GE(estimate.time, before);
      ASSERT_LE(estimate.low, estimate.time);
      ASSERT_GE(estimate.high, estimate.time);
      before = estimate.time * (1.0 - 1e-12);
    }
  }
}

TEST(MeasuredCurve, RefusesPointsOutOfOrder) {
  EXPECT_THROW(curve({}), InternalError);
  EXPECT_THROW(curve({point(20, 1.0), point(10, 1.0)}), InternalError);
  EXPECT_THROW(curve({point(10, 1.0), point(10, 1.0)}), InternalError);
  EXPECT_THROW(curve({point(0, 1.0)}), InternalError);
  EXPECT_THROW(curve({point(10, 0.0)}), InternalError);
}

}  // namespace
}  // namespace sextant
