#include "monitor/bench_statistics.h"

#include <algorithm>
#include <cmath>
#include <functional>

namespace callgate {
namespace {

double quantile(const std::vector<double>& sorted, double part) {
  const double at = part * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(at);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

template <typename Operation>
double paired(std::span<const double> values, std::span<const double> base, Operation operation) {
  std::vector<double> results;
  for (size_t i = 0; i < std::min(values.size(), base.size()); ++i) {
    results.push_back(operation(values[i], base[i]));
  }
  return median_of(results);
}

}  // namespace

Spread spread_of(std::span<const double> values) {
  if (values.empty()) return {};
  std::vector<double> sorted(values.begin(), values.end());
  std::sort(sorted.begin(), sorted.end());
  return {quantile(sorted, 0.25), quantile(sorted, 0.5), quantile(sorted, 0.75)};
}

double median_of(std::span<const double> values) { return spread_of(values).median; }

double paired_ratio(std::span<const double> values, std::span<const double> base) {
  return paired(values, base, [](double a, double b) { return b == 0 ? 0 : a / b; });
}

double paired_difference(std::span<const double> values, std::span<const double> base) {
  return paired(values, base, std::minus<>());
}

double geometric_mean(std::span<const double> values) {
  if (values.empty()) return 0;
  double logarithms = 0;
  for (const double value : values) logarithms += std::log(value);
  return std::exp(logarithms / static_cast<double>(values.size()));
}

}  // namespace callgate
