#include "monitor/bench_verdict.h"

#include <algorithm>

#include "monitor/bench_statistics.h"

namespace callgate {
namespace {

using Kind = Target::Kind;
using Values = const std::vector<double>*;

std::optional<double> measure_target(const WorkResult& result, const Target& target,
                                     std::span<const WorkResult> all) {
  const Values sealed = result.values(Contestant::Sealed);
  const Values bare = result.values(Contestant::Bare);
  if (sealed == nullptr && target.kind != Kind::Offloaded) return std::nullopt;
  switch (target.kind) {
    case Kind::Offloaded:
      return ratio(result, Contestant::Landlock, Contestant::Bare);
    case Kind::OverBare:
    case Kind::OfBare:
      return ratio(result, Contestant::Sealed, Contestant::Bare);
    case Kind::OverNull:
      return ratio(result, Contestant::Sealed, Contestant::Null);
    case Kind::PeerAdds: {
      const Values peer = result.values(target.peer);
      if (peer == nullptr || bare == nullptr) return std::nullopt;
      const double ours = paired_difference(*sealed, *bare);
      if (ours <= 0) return std::nullopt;
      return paired_difference(*peer, *bare) / ours;
    }
    case Kind::AboveBare:
      if (bare == nullptr) return std::nullopt;
      return paired_difference(*sealed, *bare);
    case Kind::AtMost:
      return median_of(*sealed);
    case Kind::OverWork: {
      const auto other = std::find_if(all.begin(), all.end(), [&](const WorkResult& each) {
        return each.work->name == target.work;
      });
      const Values base = other == all.end() ? nullptr : other->values(Contestant::Sealed);
      if (base == nullptr) return std::nullopt;
      return paired_ratio(*sealed, *base);
    }
  }
  return std::nullopt;
}

bool at_least(Kind kind) { return kind == Kind::PeerAdds || kind == Kind::OfBare; }

}  // namespace

std::optional<double> ratio(const WorkResult& result, Contestant contestant, Contestant base) {
  const Values values = result.values(contestant);
  const Values others = result.values(base);
  if (values == nullptr || others == nullptr) return std::nullopt;
  return paired_ratio(*values, *others);
}

std::vector<Outcome> judge_targets(const WorkResult& result, std::span<const WorkResult> all) {
  std::vector<Outcome> outcomes;
  for (const Target& target : result.work->targets) {
    Outcome outcome{target_text(target, result.work->unit), target.limit,
                    measure_target(result, target, all), false};
    outcome.met = outcome.measured && (at_least(target.kind) ? *outcome.measured >= target.limit
                                                             : *outcome.measured <= target.limit);
    outcomes.push_back(std::move(outcome));
  }
  return outcomes;
}

std::optional<double> whole_mean(std::span<const WorkResult> all, Contestant contestant) {
  std::vector<double> ratios;
  for (const WorkResult& result : all) {
    if (result.work->group != BenchGroup::Whole || !result.skipped.empty()) continue;
    auto one = ratio(result, contestant, Contestant::Bare);
    if (!one) return std::nullopt;
    ratios.push_back(*one);
  }
  if (ratios.empty()) return std::nullopt;
  return geometric_mean(ratios);
}

}  // namespace callgate
