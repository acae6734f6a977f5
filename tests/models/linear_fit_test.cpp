#include "models/linear_fit.h"

#include <cstdint>
#include <random>
#include <vector>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

TEST(FitAlphaBeta, RecoversAnExactLine) {
  // T(n) = 10 us + n * 0.1 ns/B
  std::vector<TimedAmount> points;
  for (const double amount_bytes : {1e3, 1e4, 1e5, 1e6}) {
    points.push_back({.amount = Bytes(amount_bytes), .time = Seconds(10e-6 + amount_bytes * 0.1e-9)});
  }
  const AlphaBeta line = fit_alpha_beta(points);
  EXPECT_NEAR(line.alpha.value(), 10e-6, 1e-15);
  EXPECT_NEAR(line.beta.value(), 0.1e-9, 1e-19);
  EXPECT_NEAR(line.residual.max, 0.0, 1e-9);
  EXPECT_NEAR(line.residual.r_squared, 1.0, 1e-12);
  EXPECT_NEAR(line.at(Bytes(2e6)).value(), 210e-6, 1e-12);
}

TEST(FitAlphaBeta, OnePointIsPutDownToBandwidth) {
  const TimedAmount point{.amount = Bytes(1e6), .time = Seconds(1e-3)};
  const AlphaBeta line = fit_alpha_beta({&point, 1});
  EXPECT_EQ(line.alpha, Seconds(0.0));
  EXPECT_NEAR(line.beta.value(), 1e-9, 1e-21);
}

TEST(FitAlphaBeta, WeighsRelativeErrors) {
  // Times 1 and 2 at the same size: minimise (t/1 - 1)^2 + (t/2 - 1)^2, so t = (1 + 1/2) / (1 + 1/4) = 1.2.
  const std::vector<TimedAmount> points{{Bytes(100.0), Seconds(1.0)}, {Bytes(100.0), Seconds(2.0)}};
  const AlphaBeta line = fit_alpha_beta(points);
  EXPECT_NEAR(line.at(Bytes(100.0)).value(), 1.2, 1e-12);
  // Relative residuals: |1.2 - 1| / 1 = 0.2 and |1.2 - 2| / 2 = 0.4.
  EXPECT_NEAR(line.residual.median, 0.2, 1e-12);
  EXPECT_NEAR(line.residual.p90, 0.4, 1e-12);
  EXPECT_NEAR(line.residual.max, 0.4, 1e-12);
}

TEST(FitAlphaBeta, FallingTimesGiveAConstant) {
  const std::vector<TimedAmount> points{{Bytes(100.0), Seconds(2.0)}, {Bytes(200.0), Seconds(1.0)}};
  const AlphaBeta line = fit_alpha_beta(points);
  EXPECT_EQ(line.beta, SecondsPerByte(0.0));
  EXPECT_NEAR(line.alpha.value(), 1.2, 1e-12);  // as above
}

TEST(FitAlphaBeta, ALineBelowTheOriginIsHeldAtZeroAlpha) {
  const std::vector<TimedAmount> points{{Bytes(100.0), Seconds(1.0)}, {Bytes(200.0), Seconds(3.0)}};
  const AlphaBeta line = fit_alpha_beta(points);
  EXPECT_EQ(line.alpha, Seconds(0.0));
  EXPECT_GT(line.beta, SecondsPerByte(0.0));
}

TEST(FitRoofline, RecoversThreeExactTerms) {
  // t = 5 us + flops * 20 ps + bytes * 0.2 ns
  std::vector<TimedCounts> points;
  for (const double flops : {1e6, 1e8, 1e9}) {
    for (const double bytes : {1e4, 1e6, 1e7}) {
      points.push_back(
          {.flops = Flops(flops), .bytes = Bytes(bytes), .time = Seconds(5e-6 + flops * 20e-12 + bytes * 0.2e-9)});
    }
  }
  const RooflineFit fit = fit_roofline(points);
  EXPECT_NEAR(fit.alpha.value(), 5e-6, 1e-13);
  EXPECT_NEAR(fit.gamma.value(), 20e-12, 1e-20);
  EXPECT_NEAR(fit.beta.value(), 0.2e-9, 1e-17);
  EXPECT_LT(fit.residual.max, 1e-8);
}

TEST(FitRoofline, ProportionalFlopsAndBytesStillFit) {
  // Both columns say the same; one of them takes the slope: t = 1 us + flops * 10 ps.
  std::vector<TimedCounts> points;
  for (const double flops : {1e6, 1e7, 1e8}) {
    points.push_back({.flops = Flops(flops), .bytes = Bytes(flops / 10.0), .time = Seconds(1e-6 + flops * 10e-12)});
  }
  const RooflineFit fit = fit_roofline(points);
  EXPECT_LT(fit.residual.max, 1e-9);
  EXPECT_NEAR(fit.gamma.value() + fit.beta.value() / 10.0, 10e-12, 1e-20);
}

TEST(FitRoofline, WorkWithoutFlopsIsPutDownToBytes) {
  const TimedCounts point{.flops = Flops(0.0), .bytes = Bytes(1e6), .time = Seconds(1e-3)};
  const RooflineFit fit = fit_roofline({&point, 1});
  EXPECT_EQ(fit.gamma, SecondsPerFlop(0.0));
  EXPECT_NEAR(fit.beta.value(), 1e-9, 1e-21);
}

TEST(FitRoofline, CoefficientsAreNeverNegativeAndBeatEachSingleTerm) {
  constexpr std::uint64_t kSeed = 411;
  SCOPED_TRACE(kSeed);
  std::mt19937_64 random(kSeed);
  std::uniform_real_distribution<double> uniform(0.5, 2.0);
  for (int trial = 0; trial < 200; ++trial) {
    std::vector<TimedCounts> points;
    for (int i = 0; i < 8; ++i) {
      points.push_back({.flops = Flops(1e8 * uniform(random)),
                        .bytes = Bytes(1e6 * uniform(random)),
                        .time = Seconds(1e-3 * uniform(random))});
    }
    const RooflineFit fit = fit_roofline(points);
    EXPECT_GE(fit.alpha, Seconds(0.0));
    EXPECT_GE(fit.gamma, SecondsPerFlop(0.0));
    EXPECT_GE(fit.beta, SecondsPerByte(0.0));
    double fitted_error = 0.0;
    double constant_error = 0.0;
    double sum_inverse = 0.0;
    double sum_inverse_squared = 0.0;
    for (const TimedCounts& p : points) {
      sum_inverse += 1.0 / p.time.value();
      sum_inverse_squared += 1.0 / (p.time.value() * p.time.value());
    }
    const double constant_s = sum_inverse / sum_inverse_squared;  // the best constant on relative error
    for (const TimedCounts& p : points) {
      const Seconds fitted = fit.alpha + fit.gamma * p.flops + fit.beta * p.bytes;
      fitted_error += (fitted / p.time - 1.0) * (fitted / p.time - 1.0);
      constant_error += (constant_s / p.time.value() - 1.0) * (constant_s / p.time.value() - 1.0);
    }
    EXPECT_LE(fitted_error, constant_error * (1.0 + 1e-6));
  }
}

TEST(Fits, RefuseNoPointsAndTimesThatAreNotPositive) {
  EXPECT_THROW(static_cast<void>(fit_alpha_beta({})), InternalError);
  EXPECT_THROW(static_cast<void>(fit_roofline({})), InternalError);
  const TimedAmount free{.amount = Bytes(1.0), .time = Seconds(0.0)};
  EXPECT_THROW(static_cast<void>(fit_alpha_beta({&free, 1})), InternalError);
}

}  // namespace
}  // namespace sextant
