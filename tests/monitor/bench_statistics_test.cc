#include "monitor/bench_statistics.h"

#include <gtest/gtest.h>

namespace callgate {
namespace {

using Values = std::vector<double>;

TEST(BenchStatistics, QuartilesLieBetweenTheValuesInWhateverOrder) {
  const Spread odd = spread_of(Values{5, 1, 4, 2, 3});
  EXPECT_DOUBLE_EQ(odd.low, 2);
  EXPECT_DOUBLE_EQ(odd.median, 3);
  EXPECT_DOUBLE_EQ(odd.high, 4);
  const Spread even = spread_of(Values{4, 1, 3, 2});
  EXPECT_DOUBLE_EQ(even.low, 1.75);
  EXPECT_DOUBLE_EQ(even.median, 2.5);
  EXPECT_DOUBLE_EQ(even.high, 3.25);
}

TEST(BenchStatistics, OneValueIsItsOwnSpreadAndNoneIsZero) {
  EXPECT_DOUBLE_EQ(spread_of(Values{7}).low, 7);
  EXPECT_DOUBLE_EQ(spread_of(Values{7}).high, 7);
  EXPECT_DOUBLE_EQ(spread_of({}).median, 0);
}

TEST(BenchStatistics, ARoundThatWasSlowForBothDoesNotChangeTheRatio) {
  EXPECT_DOUBLE_EQ(paired_ratio(Values{2, 20, 2}, Values{1, 10, 1}), 2);
  EXPECT_DOUBLE_EQ(paired_difference(Values{3, 13, 3}, Values{1, 11, 1}), 2);
}

TEST(BenchStatistics, RatiosTakeTheRoundsThatBothHave) {
  EXPECT_DOUBLE_EQ(paired_ratio(Values{6, 6}, Values{2, 3, 100}), 2.5);
  EXPECT_DOUBLE_EQ(paired_ratio({}, Values{1}), 0);
}

TEST(BenchStatistics, TheGeometricMeanOfADoublingAndAHalvingIsOne) {
  EXPECT_DOUBLE_EQ(geometric_mean(Values{2, 0.5}), 1);
  EXPECT_DOUBLE_EQ(geometric_mean({}), 0);
}

}  // namespace
}  // namespace callgate
