// The few figures that a benchmark is told in. Pure.
#pragma once

#include <span>
#include <vector>

namespace callgate {

struct Spread {
  double low = 0;  // first quartile
  double median = 0;
  double high = 0;  // third quartile
};

// Quartiles with linear interpolation (as R's type 7). All zero for no values.
Spread spread_of(std::span<const double> values);
double median_of(std::span<const double> values);
// The median over the rounds of one contestant's figure by another's in the same round: noise that
// came over a whole round drops out. 0 when they have no round in common.
double paired_ratio(std::span<const double> values, std::span<const double> base);
// The same for differences.
double paired_difference(std::span<const double> values, std::span<const double> base);
// 0 for no values.
double geometric_mean(std::span<const double> values);

}  // namespace callgate
