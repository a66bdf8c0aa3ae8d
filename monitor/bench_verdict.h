// From samples to what is told of them: ratios, and whether each target was met. Pure.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "monitor/bench_runner.h"

namespace callgate {

struct Outcome {
  std::string text;  // the target, in words
  double limit = 0;
  std::optional<double> measured;  // nullopt: somebody whom it speaks of was not measured
  bool met = false;
};

// A contestant's figure by another's in the same rounds; nullopt when one of them has none.
std::optional<double> ratio(const WorkResult& result, Contestant contestant, Contestant base);
// One for each of the work's targets. `all`: where OverWork finds the other work.
std::vector<Outcome> judge_targets(const WorkResult& result, std::span<const WorkResult> all);
// The geometric mean over the whole works of a contestant's ratio to bare; nullopt unless all that
// were run have one.
std::optional<double> whole_mean(std::span<const WorkResult> all, Contestant contestant);

}  // namespace callgate
