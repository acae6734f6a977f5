#include "models/statistics.h"

#include <vector>

#include <gtest/gtest.h>

#include "models/error.h"

namespace sextant {
namespace {

TEST(RelativeError, IsPositiveWhereThePredictionIsTooSlow) {
  // 120 / 100 - 1 = 0.2; 80 / 100 - 1 = -0.2
  EXPECT_DOUBLE_EQ(relative_error({.predicted = 120.0, .measured = 100.0}), 0.2);
  EXPECT_DOUBLE_EQ(relative_error({.predicted = 80.0, .measured = 100.0}), -0.2);
}

TEST(AbsoluteErrors, LoseTheSign) {
  // |50 / 100 - 1| = 0.5, |300 / 200 - 1| = 0.5
  const std::vector<Comparison> comparisons{{50.0, 100.0}, {300.0, 200.0}};
  EXPECT_EQ(absolute_errors(comparisons), (std::vector<double>{0.5, 0.5}));
}

TEST(Quantile, InterpolatesBetweenOrderStatistics) {
  // sorted 1 2 4 8: position 0.5 * 3 = 1.5 -> 2 + 0.5 * 2 = 3; 0.95 * 3 = 2.85 -> 4 + 0.85 * 4 = 7.4
  const std::vector<double> values{8.0, 1.0, 4.0, 2.0};
  EXPECT_DOUBLE_EQ(quantile(values, 0.5), 3.0);
  EXPECT_DOUBLE_EQ(quantile(values, 0.95), 7.4);
  EXPECT_DOUBLE_EQ(quantile(values, 0.0), 1.0);
  EXPECT_DOUBLE_EQ(quantile(values, 1.0), 8.0);
  EXPECT_DOUBLE_EQ(quantile({3.0}, 0.9), 3.0);
  EXPECT_THROW(static_cast<void>(quantile({}, 0.5)), InternalError);
}

TEST(Mean, ArithmeticAndGeometric) {
  // (1 + 4 + 16) / 3 = 7; cube root of 1 * 4 * 16 = 64 is 4
  const std::vector<double> values{1.0, 4.0, 16.0};
  EXPECT_DOUBLE_EQ(mean(values), 7.0);
  EXPECT_DOUBLE_EQ(geometric_mean(values), 4.0);
}

TEST(KendallTau, CountsPairsInOrder) {
  // measured 1 2 3 4 by prediction 1 2 4 3: 6 pairs, one swapped: (5 - 1) / 6
  const std::vector<Comparison> one_swapped{{1.0, 1.0}, {2.0, 2.0}, {4.0, 3.0}, {3.0, 4.0}};
  EXPECT_DOUBLE_EQ(*kendall_tau(one_swapped), 4.0 / 6.0);
}

TEST(KendallTau, IsOneForTheSameOrderAndMinusOneForTheReverse) {
  const std::vector<Comparison> same{{1.0, 10.0}, {2.0, 11.0}, {3.0, 99.0}};
  const std::vector<Comparison> reverse{{3.0, 10.0}, {2.0, 11.0}, {1.0, 99.0}};
  EXPECT_DOUBLE_EQ(*kendall_tau(same), 1.0);
  EXPECT_DOUBLE_EQ(*kendall_tau(reverse), -1.0);
}

TEST(KendallTau, TiesCountInTheDenominatorOnly) {
  // predicted 1 1 2, measured 1 2 3: pairs (12) tied in predicted, (13) and (23) in order:
  // 2 / sqrt((3 - 1) * (3 - 0)) = 2 / sqrt(6)
  const std::vector<Comparison> tied{{1.0, 1.0}, {1.0, 2.0}, {2.0, 3.0}};
  EXPECT_DOUBLE_EQ(*kendall_tau(tied), 0.81649658092772603);
}

TEST(KendallTau, IsAbsentWhereNothingIsOrdered) {
  EXPECT_FALSE(kendall_tau({}));
  EXPECT_FALSE(kendall_tau(std::vector<Comparison>{{1.0, 1.0}}));
  EXPECT_FALSE(kendall_tau(std::vector<Comparison>{{1.0, 1.0}, {1.0, 2.0}}));
  EXPECT_FALSE(kendall_tau(std::vector<Comparison>{{1.0, 2.0}, {3.0, 2.0}}));
}

TEST(Top1Regret, IsTheMeasuredLossOfTheOneRankedFirst) {
  // ranked first: predicted 1, measured 12; best measured 10: 12 / 10 - 1
  const std::vector<Comparison> comparisons{{2.0, 10.0}, {1.0, 12.0}, {3.0, 11.0}};
  EXPECT_DOUBLE_EQ(top1_regret(comparisons), 0.2);
}

TEST(Top1Regret, IsZeroWhereTheBestIsRankedFirst) {
  EXPECT_EQ(top1_regret(std::vector<Comparison>{{1.0, 10.0}, {2.0, 9999.0}}), 0.0);
  EXPECT_EQ(top1_regret(std::vector<Comparison>{{5.0, 3.0}}), 0.0);
}

TEST(Top1Regret, OfSeveralRankedFirstTheSlowestCounts) {
  // both predicted 1: measured 10 and 15: 15 / 10 - 1, whichever comes first
  EXPECT_DOUBLE_EQ(top1_regret(std::vector<Comparison>{{1.0, 10.0}, {1.0, 15.0}}), 0.5);
  EXPECT_DOUBLE_EQ(top1_regret(std::vector<Comparison>{{1.0, 15.0}, {1.0, 10.0}}), 0.5);
}

}  // namespace
}  // namespace sextant
